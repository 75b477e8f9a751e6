// Command aftershock launches replicated systems, drives them with workloads,
// breaks them on purpose and proves from the recorded history what was lost,
// what was stale and how long it took.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/internal/build"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/interrupt"
)

// Exit codes; see `aftershock help run`.
const (
	exitHolds          = 0
	exitViolated       = 1
	exitUnknown        = 2
	exitInput          = 3
	exitInfrastructure = 4
	exitBrokenPipe     = 128 + int(syscall.SIGPIPE) // nobody reads on, and nobody is told: as of a program that the signal ends
)

// exitError ends the command with a code after everything was said already.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func main() {
	interrupt.BrokenPipes()
	os.Exit(run(interrupt.Context(context.Background()), os.Args[1:]))
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	err := ctx.Err() // a signal may have come before anything was begun
	if err == nil {
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(stdout)
		err = root.ExecuteContext(ctx)
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", failure.ErrInterrupted, context.Cause(ctx))
	}
	var exit exitError
	switch {
	case errors.Is(stdout.err, syscall.EPIPE):
		return exitBrokenPipe
	case stdout.err != nil:
		fmt.Fprintln(os.Stderr, "aftershock:", stdout.err)
		return exitInfrastructure
	case err == nil:
		return exitHolds
	case errors.As(err, &exit):
		return exit.code
	}
	fmt.Fprintln(os.Stderr, "aftershock:", err)
	return exitCode(err)
}

// exitCode of an error that a command returned. Whatever is not known to be
// the infrastructure's fault is the input's: cobra's own errors are.
func exitCode(err error) int {
	switch {
	case errors.Is(err, failure.ErrInfrastructure):
		return exitInfrastructure
	case errors.Is(err, failure.ErrInterrupted):
		return exitUnknown
	}
	return exitInput
}

// commands are the subcommands, each of which has a file of its own, but for those
// that are hidden (hidden.go).
var commands = []func() *cobra.Command{
	initCommand, validateCommand, runCommand, studyCommand, checkCommand, compareCommand, exportCommand, reportCommand, listCommand, doctorCommand, cleanCommand, pruneCommand, serveCommand, siteCommand,
	manCommand, rippleCommand, agentCommand, targetCommand, sandboxCommand, driveCommand, probeCommand, reapCommand,
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "aftershock",
		Short: "Does your replicated system keep what it acknowledged?",
		Long: `Aftershock launches a replicated system, drives it with a workload, breaks it on
purpose, and proves from the recorded history what was lost, what was stale, how
long it took and how far the replicas lagged.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       build.Version(),
	}
	for _, command := range commands {
		root.AddCommand(remedied(command()))
	}
	return root
}
