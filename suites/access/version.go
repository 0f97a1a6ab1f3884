package access

import (
	"strconv"
	"strings"
)

// newest is the highest minor version of USP 1 in a list such as "1.3,1.4", and a high number where
// a later major version is in it.
func newest(list string) (minor int) {
	for version := range strings.SplitSeq(list, ",") {
		major, rest, _ := strings.Cut(strings.TrimSpace(version), ".")
		switch n, err := strconv.Atoi(rest); {
		case err != nil:
		case major == "1":
			minor = max(minor, n)
		default:
			minor = max(minor, 1<<16)
		}
	}
	return minor
}
