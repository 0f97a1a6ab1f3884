package pki

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// saved is a folder with a CA.
func saved(t *testing.T) (string, *CA) {
	t.Helper()
	dir, ca := t.TempDir(), newCA(t)
	if err := ca.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir, ca
}

// TestAKeptCASignsForThoseWhoTrustIt: a device that trusts the CA of yesterday trusts what it signs today.
func TestAKeptCASignsForThoseWhoTrustIt(t *testing.T) {
	dir, ca := saved(t)
	again, err := Load(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := again.Issue(spec())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: "localhost"}); err != nil {
		t.Error(err)
	}
	if at, err := os.Stat(filepath.Join(dir, KeyFile)); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("the key can be read by others: %v, %v", at.Mode(), err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	for _, name := range []string{CertFile, KeyFile} {
		dir, ca := saved(t)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := ca.Save(dir); !errors.Is(err, fs.ErrExist) {
			t.Errorf("without %s: want an error that the other is there, got %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was written nevertheless", name)
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	put := func(dir, name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, stranger := saved(t)
	for name, test := range map[string]struct {
		change func(dir string, ca *CA)
		now    time.Time
		want   string
	}{
		"no key":          {func(dir string, _ *CA) { os.Remove(filepath.Join(dir, KeyFile)) }, time.Now(), KeyFile + ": no such file"},
		"garbage":         {func(dir string, _ *CA) { put(dir, CertFile, "garbage") }, time.Now(), "failed to find"},
		"too large":       {func(dir string, _ *CA) { put(dir, CertFile, strings.Repeat("x", maxPEM+1)) }, time.Now(), "more than"},
		"somebody's cert": {func(dir string, _ *CA) { put(dir, CertFile, string(stranger.PEM())) }, time.Now(), "does not match"},
		"a leaf": {func(dir string, ca *CA) {
			leaf, _ := ca.Issue(spec())
			cert, key, _ := PEM(leaf)
			put(dir, CertFile, string(cert))
			put(dir, KeyFile, string(key))
		}, time.Now(), "not the certificate of an authority"},
		"expired": {func(string, *CA) {}, time.Now().Add(3 * lifetime), "expired on"},
	} {
		dir, ca := saved(t)
		test.change(dir, ca)
		if _, err := Load(dir, test.now); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want an error with %q, got %v", name, test.want, err)
		}
	}
}
