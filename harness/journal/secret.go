package journal

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// maxSecrets bounds how many secrets are remembered, maxSecret how long one may be: a device may send any number of values that look like
// one. Those that the harness itself has come first.
const (
	maxSecrets = 2048
	maxSecret  = 1 << 10
)

// Secret remembers a value that must not be written anywhere: a password or a key that crosses the wire. Values shorter than four
// characters are not masked, since masking them would eat ordinary text. Of a very long one the beginning is.
func (j *Journal) Secret(value string) {
	if len(value) < minSecret {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.secrets) < maxSecrets {
		j.secrets[strings.Clone(value[:min(len(value), maxSecret)])] = struct{}{}
	}
}

// Masker returns what overwrites every secret known now.
func (j *Journal) Masker() Masker {
	j.mu.Lock()
	secrets := slices.Collect(maps.Keys(j.secrets))
	j.mu.Unlock()
	return NewMasker(secrets...)
}

// NewMasker returns what overwrites these secrets. It keeps lengths, so that offsets in raw packets stay true.
func NewMasker(secrets ...string) Masker {
	if len(secrets) == 0 {
		return Masker{}
	}
	secrets = slices.Clone(secrets)
	// the longest first: one secret may be a part of another
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, secret := range secrets {
		pairs = append(pairs, secret, strings.Repeat("*", len(secret)))
	}
	return Masker{strings.NewReplacer(pairs...)}
}

// Masker overwrites secrets with asterisks. The zero value knows none.
type Masker struct{ replacer *strings.Replacer }

// Text returns s with every secret overwritten.
func (m Masker) Text(s string) string {
	if m.replacer == nil {
		return s
	}
	return m.replacer.Replace(s)
}

// Bytes returns b with every secret overwritten; b itself is left alone.
func (m Masker) Bytes(b []byte) []byte {
	if m.replacer == nil {
		return b
	}
	return []byte(m.replacer.Replace(string(b)))
}
