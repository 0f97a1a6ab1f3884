package result

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SumsFile is the name of the file that seals the folder of a run, in the form of sha256sum.
const SumsFile = "SHA256SUMS"

// maxSeals is how many files a sealed folder may have. A run has some for each case.
const maxSeals = 100_000

// Seal writes the SHA-256 of every file below dir but SumsFile and hidden ones.
func Seal(w io.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == SumsFile {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum, err := hash(f)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, seal{sum, filepath.ToSlash(name)})
		return err
	})
}

// Unseal compares the files below dir that matter with their seals; without a SumsFile there is nothing to compare. The error names every
// file that was edited, removed or never sealed.
func Unseal(dir string, matters func(name string) bool) error {
	seals, err := readSeals(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var broken []string
	for _, s := range seals {
		if !matters(s.name) {
			continue
		}
		if found := s.differs(root); found != "" {
			broken = append(broken, fmt.Sprintf("  %s: %s", short(s.name), found))
		}
	}
	if matters(RunFile) && !slices.ContainsFunc(seals, func(s seal) bool { return s.name == RunFile }) {
		broken = append(broken, "  "+RunFile+": want a line in "+SumsFile+", got none")
	}
	if len(broken) == 0 {
		return nil
	}
	const most = 10
	if more := len(broken) - most; more > 0 {
		broken = append(broken[:most], fmt.Sprintf("  and %d more", more))
	}
	return fmt.Errorf("%s: the run is not as it was written:\n%s\ntake the files that usptest wrote, or run again", filepath.Join(dir, SumsFile), strings.Join(broken, "\n"))
}

// Reseal renews the seal of one file of dir, which was written again. A file without a seal stays without.
func Reseal(dir, name string) error {
	seals, err := readSeals(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(seals, func(s seal) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if seals[i].sum, err = hash(f); err != nil {
		return err
	}
	var lines strings.Builder
	for _, s := range seals {
		fmt.Fprintln(&lines, s)
	}
	return os.WriteFile(filepath.Join(dir, SumsFile), []byte(lines.String()), 0o644)
}

// seal is one line of SumsFile: the SHA-256, hexadecimal, and the name of a file relative to the folder, with forward slashes.
type seal struct{ sum, name string }

func (s seal) String() string { return s.sum + "  " + s.name }

// differs says how a file is not what was sealed; empty when it is.
func (s seal) differs(root *os.Root) string {
	f, err := root.Open(filepath.FromSlash(s.name))
	if errors.Is(err, fs.ErrNotExist) {
		return "missing"
	}
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const digits = 12 // enough to be found in the file
	switch got, err := hash(f); {
	case err != nil:
		return err.Error()
	case got != s.sum:
		return fmt.Sprintf("want SHA-256 %s…, got %s…", s.sum[:digits], got[:digits])
	}
	return ""
}

func readSeals(dir string) ([]seal, error) {
	path := filepath.Join(dir, SumsFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var seals []seal
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if n > maxSeals {
			return nil, fmt.Errorf("%s: want %d lines at most, got more", path, maxSeals)
		}
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("%s:%d: want a SHA-256, two blanks and a name, got %q", path, n, short(lines.Text()))
		}
		seals = append(seals, seal{sum, name})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return seals, nil
}

func hash(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}
