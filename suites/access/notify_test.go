package access

import (
	"strings"
	"testing"
)

func TestAnotherTextIsAnother(t *testing.T) {
	for _, now := range []string{"", "usptest-1", "usptest-2", strings.Repeat("x", 41), strings.Repeat("ä", 40)} {
		if next := anotherText(now); next == now {
			t.Errorf("%q: got the same", now)
		}
	}
}
