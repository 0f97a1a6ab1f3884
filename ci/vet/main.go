// Command vet does what go vet does, from sources alone. go vet compiles every dependency for the system and processor that GOOS and
// GOARCH name, which takes minutes; this takes half a minute.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/suite/vet"
)

func main() { multichecker.Main(vet.Suite...) }
