package pki

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files of a CA that is kept.
const (
	CertFile = "ca.pem"
	KeyFile  = "ca.key"
)

// Save writes the root certificate and its key into the folder dir, which exists. Files that are there are left alone: an error.
func (ca *CA) Save(dir string) error {
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		return fmt.Errorf("pki: encode key: %w", err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return SavePair(filepath.Join(dir, CertFile), ca.PEM(), filepath.Join(dir, KeyFile), key)
}

// SavePair writes a certificate and its key, both PEM, the key for the eyes of its owner alone. When either file is there already, neither
// is written.
func SavePair(certFile string, cert []byte, keyFile string, key []byte) error {
	if _, err := os.Lstat(certFile); err == nil {
		return &fs.PathError{Op: "create", Path: certFile, Err: fs.ErrExist}
	}
	if err := create(keyFile, key, 0o600); err != nil {
		return err
	}
	return create(certFile, cert, 0o644)
}

func create(name string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	return errors.Join(err, f.Close())
}

// Load reads the CA that Save, or somebody else, put into the folder dir. The error says what keeps it from signing at the time now.
func Load(dir string, now time.Time) (*CA, error) {
	certPath, keyPath := filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile)
	cert, err := readPEM(certPath)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(keyPath)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certPath, keyPath, err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: a key that cannot sign", keyPath)
	case !pair.Leaf.IsCA:
		return nil, fmt.Errorf("%s: not the certificate of an authority", certPath)
	case now.After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("%s: expired on %s", certPath, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &CA{cert: pair.Leaf, key: signer}, nil
}

// Until is when the root certificate expires.
func (ca *CA) Until() time.Time { return ca.cert.NotAfter }

// maxPEM bounds a file that is read, in bytes.
const maxPEM = 64 << 10

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(text) > maxPEM {
		err = fmt.Errorf("%s: more than %d bytes", path, maxPEM)
	}
	return text, err
}
