package dut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/pki"
)

// The files that the harness puts into the device's directory by itself.
const (
	fileCA         = "ca.pem"
	fileClientCert = "client-cert.pem"
	fileClientKey  = "client-key.pem"
	fileClientPEM  = "client.pem"
)

// reservedFiles are names that Launch.Files cannot have.
func reservedFiles() []string { return []string{fileCA, fileClientCert, fileClientKey, fileClientPEM} }

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
	for _, name := range sortedKeys(d.lab.Launch.Files) {
		if err := d.writeFile(name, d.lab.Launch.Files[name]); err != nil {
			return err
		}
	}
	return nil
}

// writeFile renders one template of Launch.Files into the device's directory. d.mu is held.
func (d *Device) writeFile(name, path string) error {
	path, err := renderText("lab.launch.files."+name, path, d.vars)
	if err != nil {
		return err
	}
	text, err := readSmall(resolve(d.root, path))
	if err != nil {
		return err
	}
	rendered, err := renderText(path, string(text), d.vars)
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
		err = write(&d.vars.CA, fileCA, d.opts.CA)
	}
	if d.opts.Client == nil || err != nil {
		return err
	}
	cert, key, err := pki.PEM(*d.opts.Client)
	if err != nil {
		return err
	}
	return errors.Join(
		write(&d.vars.ClientCert, fileClientCert, cert),
		write(&d.vars.ClientKey, fileClientKey, key),
		write(&d.vars.ClientPEM, fileClientPEM, slices.Concat(cert, key)),
	)
}

// command renders the launch command. The error is a *LaunchError.
func (d *Device) command(ctx context.Context) (*exec.Cmd, error) {
	d.mu.Lock()
	vars := d.vars
	d.mu.Unlock()
	var env []string
	for _, name := range sortedKeys(d.lab.Launch.Env) {
		value, err := renderText("lab.launch.env."+name, d.lab.Launch.Env[name], vars)
		if err != nil {
			return nil, d.launchError(err, "")
		}
		env = append(env, name+"="+value)
	}
	if d.lab.Launch.Image != "" {
		return d.containerCommand(ctx, vars, env)
	}
	cmd, err := command("lab.launch.exec", d.root, d.lab.Launch.Exec, vars)
	if err != nil {
		return nil, d.launchError(err, missingRemedy(err))
	}
	cmd.Dir, cmd.SysProcAttr = vars.Dir, processAttr()
	cmd.Env = append(cmd.Env, env...)
	return cmd, nil
}

// command renders a command and finds its program: a bare name in PATH, a path with a separator from the folder of the DUT file.
func command(key, root string, texts []string, vars Vars) (*exec.Cmd, error) {
	args, err := words(key, texts, vars)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 || args[0] == "" {
		return nil, errors.New("the command is empty")
	}
	program := args[0]
	if strings.ContainsRune(filepath.ToSlash(program), '/') {
		if program, err = filepath.Abs(resolve(root, program)); err != nil {
			return nil, err
		}
	}
	if program, err = exec.LookPath(program); err != nil {
		return nil, err
	}
	return &exec.Cmd{Path: program, Args: args, Env: os.Environ()}, nil
}

// words renders the words of a command. One whose template yields nothing is left out.
func words(key string, texts []string, vars Vars) ([]string, error) {
	var args []string
	for i, text := range texts {
		arg, err := renderText(fmt.Sprintf("%s[%d]", key, i), text, vars)
		if err != nil {
			return nil, err
		}
		if arg != "" || text == "" {
			args = append(args, arg)
		}
	}
	return args, nil
}

// missingRemedy says what to do about a program that was not found.
func missingRemedy(err error) string {
	if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		return ""
	}
	return "name an executable program: a bare name is looked for in PATH, a relative path starts at the folder of the DUT file"
}

// resolve makes a path of the DUT file one of the file system.
func resolve(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

// maxFile bounds every file that a DUT file consists of.
const maxFile = 64 << 10

// readSmall reads a file of at most maxFile bytes.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return b, err
}

// sortedKeys are the keys of a map in their order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
