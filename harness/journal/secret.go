package journal

import (
	"bytes"
	"sort"
	"strings"
)

// Secret remembers a value that must not be written anywhere: a password or a key that crosses the wire. Values shorter than four
// characters are not masked, since masking them would eat ordinary text.
func (j *Journal) Secret(value string) {
	if len(value) < minSecret {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.secrets[value] = struct{}{}
}

// Masker returns what overwrites every secret known now. It keeps lengths, so that offsets in raw packets stay true.
func (j *Journal) Masker() Masker {
	j.mu.Lock()
	defer j.mu.Unlock()
	m := make(Masker, 0, len(j.secrets))
	for s := range j.secrets {
		m = append(m, s)
	}
	// the longest first: one secret may be a part of another
	sort.Slice(m, func(a, b int) bool { return len(m[a]) > len(m[b]) || len(m[a]) == len(m[b]) && m[a] < m[b] })
	return m
}

// Masker overwrites secrets with asterisks.
type Masker []string

// Text returns s with every secret overwritten.
func (m Masker) Text(s string) string {
	for _, secret := range m {
		s = strings.ReplaceAll(s, secret, strings.Repeat("*", len(secret)))
	}
	return s
}

// Bytes returns b with every secret overwritten; b itself is left alone.
func (m Masker) Bytes(b []byte) []byte {
	for _, secret := range m {
		b = bytes.ReplaceAll(b, []byte(secret), bytes.Repeat([]byte("*"), len(secret)))
	}
	return b
}
