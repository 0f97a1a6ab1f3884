package result

import "strings"

// AgainFor is the command line, quoted for a POSIX shell, that repeats one case over one link.
func (r *Run) AgainFor(link, id string) string {
	words := r.AgainCase
	if len(words) == 0 {
		words = []string{"usptest", "run"}
	}
	words = append([]string{}, words...)
	if len(r.Links) != 1 {
		words = append(words, "--link", link)
	}
	return ShellLine(append(words, id))
}

// ShellLine joins the words of a command line, each quoted where a POSIX shell asks for it.
func ShellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return !shellSafe(r) }) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// shellSafe reports whether no shell gives r a meaning of its own.
func shellSafe(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:+@%=", r)
}
