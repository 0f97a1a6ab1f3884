// Command usptest tests USP (TR-369) Agents against the Broadband Forum's test plan TP-469.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/result"
)

func main() { os.Exit(process()) }

// memoryLimit is where garbage is collected more eagerly, in bytes, so that a device that floods a process does not make it much larger.
const memoryLimit = 160 << 20

// gcPercent is how much garbage there may be beside what is in use, in percent: a run has many small processes, and each is mostly waiting.
const gcPercent = 50

// process carries out the command line of this process and returns its exit code.
func process() int {
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(gcPercent)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals, atOnce := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		signal.Stop(signals) // the third has its default effect
		close(atOnce)
	}()
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, atOnce, os.Args[1:], os.Stdout, os.Stderr) }()
	select {
	case code := <-ended:
		return code
	case <-atOnce:
	}
	select {
	case <-ended:
	case <-time.After(lastWords):
	}
	return result.ExitInterrupted
}

// lastWords is how long a command that is to end at once may take to kill what it started.
const lastWords = time.Second

// exitError is an error that ends the program with a code of its own. Without a text nothing more is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

// execute runs one command line and returns the exit code: 2 for an error that names no other. When ctx ends, it ends in good order; when
// atOnce is closed after that, it puts nothing back.
func execute(ctx context.Context, atOnce <-chan struct{}, args []string, stdout, stderr io.Writer) int {
	root := rootCommand(atOnce)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return result.ExitPassed
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(stderr, "usptest:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(stderr, "usptest:", err)
	return result.ExitUsage
}

func rootCommand(atOnce <-chan struct{}) *cobra.Command {
	root := &cobra.Command{
		Use:   "usptest",
		Short: "Test USP Agents against TP-469, the Broadband Forum's Agent test plan",
		Long: `usptest plays the USP Controller: it listens with MQTT and STOMP brokers and WebSocket endpoints, lets a device
connect, runs the cases of TP-469 against it and writes JUnit, JSON and an HTML report.

Exit codes: 0 everything selected passed or is waived; 1 a device fault; 2 usage or configuration; 3 errors but no device
fault; 130 interrupted.`,
		Example: `  usptest run                      # the reference agent over five links: a look at what you get
  usptest run --dut lab.yaml       # your own device
  usptest run --dut lab.yaml 1.1   # one case again
  usptest list '1.*'               # the cases of chapter 1`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.AddCommand(runCommand(atOnce), listCommand(), showCommand(), initCommand(), checkCommand(), reportCommand(), diffCommand(),
		historyCommand(), modelCommand(), mergeCommand(), noteCommand(), certsCommand(), agentCommand(), requirementsCommand(), versionCommand(),
		workerCommand())
	return root
}
