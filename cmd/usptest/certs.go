package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/usp"
)

// The files of a device's own certificate.
const (
	deviceCert = "device.pem"
	deviceKey  = "device.key"
)

func certsCommand() *cobra.Command {
	var out, endpoint string
	cmd := &cobra.Command{
		Use:   "certs --out DIR",
		Short: "Write the test CA that a device must trust, and its certificates",
		Long: `certs makes a certificate authority. Load ca.pem into the device's trust store and name the folder in the DUT file
(tls: {authority: DIR}); then the device trusts the certificates of every run. An authority that is already in the
folder is kept.

With --endpoint it also writes a certificate for the device, with that Endpoint ID.`,
		Example: `  usptest certs --out certs
  usptest certs --out certs --endpoint os::012345-A1B2C3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if endpoint != "" {
				if _, err := usp.ParseEndpointID(endpoint); err != nil {
					return fmt.Errorf("--endpoint: %w", err)
				}
			}
			ca, err := keptAuthority(out)
			if err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			say := func(file, text string, until time.Time) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, valid until %s\n", filepath.Join(out, file), text, until.Format(time.DateOnly))
			}
			say(pki.CertFile, "the authority; load it into the device's trust store", ca.Until())
			fmt.Fprintf(cmd.OutOrStdout(), "%s: its key, with which usptest signs the brokers' certificates; keep it private\n", filepath.Join(out, pki.KeyFile))
			if endpoint != "" {
				until, err := issueDevice(ca, out, endpoint)
				if err != nil {
					return err
				}
				say(deviceCert, "the device's own certificate, for "+endpoint, until)
				fmt.Fprintf(cmd.OutOrStdout(), "%s: its key\n", filepath.Join(out, deviceKey))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "in the DUT file, with a path that starts at its folder:\n  tls: {authority: %s}\n", out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`folder` of the authority")
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "Endpoint `ID` of the device that gets a certificate of its own")
	must(cmd.MarkFlagRequired("out"))
	must(cmd.MarkFlagDirname("out"))
	return cmd
}

// keptAuthority is the CA in the folder dir, made when there is none.
func keptAuthority(dir string) (*pki.CA, error) {
	ca, err := pki.Load(dir, time.Now())
	if !errors.Is(err, fs.ErrNotExist) {
		return ca, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if ca, err = pki.NewCA(pki.Name); err != nil {
		return nil, err
	}
	if err := ca.Save(dir); err != nil {
		return nil, fmt.Errorf("%w; only one half of an authority is there: add the other, or choose another folder", err)
	}
	return ca, nil
}

// issueDevice writes a certificate for the Agent with an Endpoint ID, and returns when it expires.
func issueDevice(ca *pki.CA, dir, endpoint string) (until time.Time, err error) {
	leaf, err := ca.Issue(pki.Spec{CommonName: "usptest device", EndpointIDs: []string{endpoint}, Client: true})
	if err != nil {
		return until, err
	}
	cert, key, err := pki.PEM(leaf)
	if err != nil {
		return until, err
	}
	err = pki.SavePair(filepath.Join(dir, deviceCert), cert, filepath.Join(dir, deviceKey), key)
	if errors.Is(err, fs.ErrExist) {
		return until, fmt.Errorf("%w; remove %s and %s to have new ones", err, deviceCert, deviceKey)
	}
	return leaf.Leaf.NotAfter, err
}
