// Command gen makes the facts of harness/model from TR-181's XML files: gen FILE. The folder of the XML files is named by
// USPTEST_TR181_DIR; the newest TR-181 for USP there counts, and of older ones what they have otherwise.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/usptest/usptest/harness/model"
)

func main() {
	if err := generate(os.Args[1:], os.Getenv("USPTEST_TR181_DIR")); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(args []string, dir string) error {
	if len(args) != 1 || dir == "" {
		return fmt.Errorf("want the file to write, and USPTEST_TR181_DIR naming the folder of TR-181's XML files")
	}
	versions, notes, err := model.LoadVersions(dir)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return fmt.Errorf("%s has no tr-181-…-usp.xml or tr-181-…-usp-full.xml", dir)
	}
	for _, n := range notes {
		fmt.Fprintln(os.Stderr, "gen:", n)
	}
	var out bytes.Buffer
	if err := versions[0].Subset().WithEarlier(versions[1:]...).Write(&out); err != nil {
		return err
	}
	return os.WriteFile(args[0], out.Bytes(), 0o644)
}
