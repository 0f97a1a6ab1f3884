package dut

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Command renders a command and finds its program: a bare name in PATH, a path with a separator from the folder of the DUT file. key is
// what errors call the command, such as lab.launch.exec.
func (f *File) Command(key string, texts []string, vars Vars) (*exec.Cmd, error) {
	args, err := Words(key, texts, vars)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 || args[0] == "" {
		return nil, errors.New("the command is empty")
	}
	program := args[0]
	if strings.ContainsRune(filepath.ToSlash(program), '/') {
		if program, err = filepath.Abs(f.resolve(program)); err != nil {
			return nil, err
		}
	}
	if program, err = exec.LookPath(program); err != nil {
		return nil, err
	}
	return &exec.Cmd{Path: program, Args: args, Env: os.Environ()}, nil
}

// Words renders the words of a command; key is what errors call it. A word whose template yields nothing is left out.
func Words(key string, texts []string, vars Vars) ([]string, error) {
	var args []string
	for i, text := range texts {
		arg, err := Render(fmt.Sprintf("%s[%d]", key, i), text, vars)
		if err != nil {
			return nil, err
		}
		if arg != "" || text == "" {
			args = append(args, arg)
		}
	}
	return args, nil
}

// ProgramRemedy says what to do about a program that was not found; empty for any other error.
func ProgramRemedy(err error) string {
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

// Read reads a file that the DUT file names by its path, at most 64 KiB.
func (f *File) Read(path string) ([]byte, error) { return readSmall(f.resolve(path)) }

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
