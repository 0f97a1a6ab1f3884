package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/pki"
)

// prepare makes and fills the device's directory, unless it has one.
func (d *Device) prepare() error {
	if d.Dir() != "" {
		return nil
	}
	dir, err := os.MkdirTemp(d.opts.Base, "usptest-")
	if err != nil {
		return fmt.Errorf("cannot make a directory for the device: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vars.Dir = dir
	if err := d.writeCertificates(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(d.file.Lab.Launch.Files)) {
		if err := d.writeFile(name, d.file.Lab.Launch.Files[name]); err != nil {
			return err
		}
	}
	return nil
}

// writeFile renders one template of Launch.Files into the device's directory. d.mu is held.
func (d *Device) writeFile(name, path string) error {
	path, err := dut.Render("lab.launch.files."+name, path, d.vars)
	if err != nil {
		return err
	}
	text, err := d.file.Read(path)
	if err != nil {
		return err
	}
	rendered, err := dut.Render(path, string(text), d.vars)
	if err != nil {
		return err
	}
	target := filepath.Join(d.vars.Dir, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	return os.WriteFile(target, []byte(rendered), 0o600)
}

// writeCertificates puts the device's certificates into its directory. d.mu is held.
func (d *Device) writeCertificates() error {
	write := func(into *string, name string, content []byte) error {
		*into = filepath.Join(d.vars.Dir, name)
		return os.WriteFile(*into, content, 0o600)
	}
	var err error
	if d.opts.CA != nil {
		err = write(&d.vars.CA, dut.FileCA, d.opts.CA)
	}
	if d.opts.Client == nil || err != nil {
		return err
	}
	cert, key, err := pki.PEM(*d.opts.Client)
	if err != nil {
		return err
	}
	return errors.Join(
		write(&d.vars.ClientCert, dut.FileClientCert, cert),
		write(&d.vars.ClientKey, dut.FileClientKey, key),
		write(&d.vars.ClientPEM, dut.FileClientPEM, slices.Concat(cert, key)),
	)
}

// launcher renders how to launch the device. The error is a *LaunchError.
func (d *Device) launcher(ctx context.Context) (launcher, error) {
	d.mu.Lock()
	vars := d.vars
	d.mu.Unlock()
	env := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(d.file.Lab.Launch.Env)) {
		value, err := dut.Render("lab.launch.env."+name, d.file.Lab.Launch.Env[name], vars)
		if err != nil {
			return nil, d.launchError(err, "")
		}
		env[name] = value
	}
	if d.file.Lab.Launch.Image != "" {
		return d.containerLauncher(ctx, vars, env)
	}
	cmd, err := d.file.Command("lab.launch.exec", d.file.Lab.Launch.Exec, vars)
	if err != nil {
		return nil, d.launchError(err, dut.ProgramRemedy(err))
	}
	cmd.Dir, cmd.SysProcAttr = vars.Dir, processAttr()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	return d.processLauncher(cmd), nil
}
