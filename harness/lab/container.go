package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
)

// The labels of the device's containers.
const (
	deviceLabel = "usptest.device" // the name of the device's directory
	ownerLabel  = "usptest.owner"  // who started it: the host and the process, see owner
)

// engineWait bounds what the container engine is asked for, but for builds.
const engineWait = time.Minute

// engine connects to the container engine: that of DOCKER_HOST, of the current Docker context, or of this computer. testcontainers-go would
// remove what a crash leaves behind with a helper container, whose image has to be pulled; that is switched off, see RemoveStrays.
func engine() (*testcontainers.DockerProvider, error) {
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return nil, err
	}
	log.SetDefault(log.NewNoopLogger())
	return testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
}

// containerLauncher readies the engine and the image of the device's container. What it returns starts one container, with what it finds of
// the harness: network, user, the device's directory under its own name. The error is a *LaunchError.
func (d *Device) containerLauncher(ctx context.Context, vars dut.Vars, env map[string]string) (launcher, error) {
	image, err := dut.Render("lab.launch.container.image", d.file.Lab.Launch.Image, vars)
	if err != nil {
		return nil, d.launchError(err, "")
	}
	args, err := dut.Words("lab.launch.exec", d.file.Lab.Launch.Exec, vars)
	if err != nil {
		return nil, d.launchError(err, "")
	}
	provider, err := engine()
	if err != nil {
		return nil, d.launchError(err, "a device in a container needs Docker: the daemon of DOCKER_HOST, of the current context, or of this computer")
	}
	if err := RemoveStrays(ctx); err != nil {
		d.note(journal.Own, "sweep", "containers of an earlier run may still be there: "+err.Error())
	}
	if err := d.build(ctx, provider, image); err != nil {
		return nil, d.launchError(err, "see lab.launch.container.build")
	}
	if _, err := provider.Client().ImageInspect(ctx, image); err != nil {
		return nil, d.launchError(err, "build or pull the image first; usptest pulls none")
	}
	request := func() testcontainers.ContainerRequest { // each container changes its own
		return testcontainers.ContainerRequest{
			Image: image, Cmd: args, Env: env,
			Labels:         map[string]string{deviceLabel: filepath.Base(vars.Dir), ownerLabel: owner()},
			LogConsumerCfg: &testcontainers.LogConsumerConfig{Consumers: []testcontainers.LogConsumer{d.log}},
			ConfigModifier: func(c *container.Config) {
				c.User, c.WorkingDir = fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), vars.Dir
			},
			HostConfigModifier: func(h *container.HostConfig) {
				reap := true
				h.NetworkMode, h.Binds, h.Init = "host", []string{vars.Dir + ":" + vars.Dir}, &reap
			},
		}
	}
	return func() (instance, error) {
		ctx, cancel := context.WithCancel(context.Background()) // its output is read as long as this lasts
		late := time.AfterFunc(engineWait, cancel)
		defer late.Stop()
		created, err := provider.CreateContainer(ctx, request())
		if err != nil {
			cancel()
			return nil, err
		}
		c := &contained{Container: created, d: d, provider: provider, unread: cancel}
		if err := created.Start(ctx); err != nil { // it runs when Start returns
			c.finish()
			return nil, err
		}
		d.note(journal.Own, "launch", fmt.Sprintf("%q started as container %.12s of %s", args, created.GetContainerID(), image))
		return c, nil
	}, nil
}

// build makes the image of lab.launch.container.build, if there is one. The engine keeps it, and what has not changed is not built again.
func (d *Device) build(ctx context.Context, provider *testcontainers.DockerProvider, image string) error {
	folder := d.file.Lab.Launch.Build
	if folder == "" {
		return nil
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(d.file.Folder(), folder)
	}
	name, tag := image, "latest"
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		name, tag = image[:i], image[i+1:]
	}
	var said logTail
	_, err := provider.BuildImage(ctx, &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: folder, Repo: name, Tag: tag, KeepImage: true, BuildLogWriter: &said,
	}})
	if err != nil {
		return fmt.Errorf("building %s: %w\n    %s", image, err, strings.Join(said.last(tailLines), "\n    "))
	}
	return nil
}

// Accept takes a piece of the output of a container.
func (t *logTail) Accept(l testcontainers.Log) { _, _ = t.Write(l.Content) }

// contained is a container of the device.
type contained struct {
	testcontainers.Container
	d        *Device
	provider *testcontainers.DockerProvider
	unread   context.CancelFunc // ends the reading of its output
}

func (c *contained) wait() (ending, error) {
	waiting := c.provider.Client().ContainerWait(context.Background(), c.GetContainerID(), client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case end := <-waiting.Result:
		if end.Error != nil {
			return ending{}, errors.New(end.Error.Message)
		}
		return ending{crash: end.StatusCode != 0, text: fmt.Sprintf("exit status %d", end.StatusCode)}, nil
	case err := <-waiting.Error:
		return ending{}, fmt.Errorf("the container engine: %w", err)
	}
}

func (c *contained) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), engineWait)
	defer cancel()
	_, _ = c.provider.Client().ContainerKill(ctx, c.GetContainerID(), client.ContainerKillOptions{}) // else it has ended already
}

func (c *contained) finish() {
	defer c.unread()
	ctx, cancel := context.WithTimeout(context.Background(), engineWait)
	defer cancel()
	if err := c.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
		c.d.note(journal.Own, "sweep", "the container may still be there: "+err.Error())
	}
}

// owner names this process among those that start containers.
func owner() string {
	host, _ := os.Hostname() // without a name all such hosts are one
	return host + "/" + strconv.Itoa(os.Getpid())
}

// RemoveStrays removes the containers of devices whose process of usptest on this host has ended without doing so. It is the part of
// testcontainers' helper container that usptest does itself: at the next start of a device in a container, and when a worker has crashed.
func RemoveStrays(ctx context.Context) error {
	provider, err := engine()
	if err != nil {
		return err
	}
	defer provider.Close()
	all, err := provider.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", ownerLabel)})
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	var errs []error
	for _, c := range all.Items {
		at, process, _ := strings.Cut(c.Labels[ownerLabel], "/")
		if pid, err := strconv.Atoi(process); err != nil || at != host || alive(pid) {
			continue
		}
		_, err := provider.Client().ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
