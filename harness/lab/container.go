package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
)

// engine is the program that runs containers. It stays in the foreground as long as its container runs and ends as that does, so that a
// container is supervised as any other process is.
const engine = "docker"

// containerCommand is the command that runs the device's container, with what it finds of the harness: network, user, the device's
// directory under its own name. The error is a *LaunchError.
func (d *Device) containerCommand(ctx context.Context, vars dut.Vars, env []string) (*exec.Cmd, error) {
	image, err := dut.Render("lab.launch.container.image", d.file.Lab.Launch.Image, vars)
	if err != nil {
		return nil, d.launchError(err, "")
	}
	args, err := dut.Words("lab.launch.exec", d.file.Lab.Launch.Exec, vars)
	if err != nil {
		return nil, d.launchError(err, "")
	}
	program, err := exec.LookPath(engine)
	if err != nil {
		return nil, d.launchError(err, "a device in a container needs Docker on this computer")
	}
	if _, err := engineDoes(ctx, "image", "inspect", image); err != nil {
		return nil, d.launchError(err, "build or pull the image first; usptest pulls none")
	}
	run := []string{program, "run", "--rm", "--init", "--pull=never", "--network=host", "--label=" + label(vars.Dir),
		fmt.Sprintf("--user=%d:%d", os.Getuid(), os.Getgid()), "--volume=" + vars.Dir + ":" + vars.Dir, "--workdir=" + vars.Dir}
	for _, e := range env {
		run = append(run, "--env="+e)
	}
	return &exec.Cmd{Path: program, Args: append(append(run, image), args...), Env: os.Environ(), Dir: vars.Dir, SysProcAttr: containerAttr()}, nil
}

// label marks the containers of the device in a directory.
func label(dir string) string { return "usptest=" + filepath.Base(dir) }

// sweep removes what is left of the device's containers. Killing the engine's program does not end them.
func (d *Device) sweep() {
	if d.file.Lab.Launch.Image == "" {
		return
	}
	ctx := context.Background() // also after an interrupt
	left, err := engineDoes(ctx, "ps", "--all", "--quiet", "--filter=label="+label(d.Dir()))
	if ids := strings.Fields(left); err == nil && len(ids) > 0 {
		_, err = engineDoes(ctx, append([]string{"rm", "--force", "--volumes"}, ids...)...)
	}
	if err != nil {
		d.note(journal.Own, "sweep", "the container may still be there: "+err.Error())
	}
}

// engineDoes carries out a command of the engine. The error is what the engine says.
func engineDoes(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, engine, args...)
	cmd.SysProcAttr = hookAttr()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %s", strings.Join(append([]string{engine}, args...), " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}
