// Command aftershock launches replicated systems, drives them with workloads,
// breaks them on purpose and proves from the recorded history what was lost,
// what was stale and how long it took.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/probe"
	"github.com/aftershock-chaos/aftershock/targets/ripple"
)

// Exit codes; see `aftershock help run`.
const (
	exitHolds          = 0
	exitViolated       = 1
	exitUnknown        = 2
	exitInput          = 3
	exitInfrastructure = 4
)

// exitError ends the command with a code after everything was said already.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit exitError
	switch {
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
	case errors.Is(err, aftershock.ErrInfrastructure):
		return exitInfrastructure
	case errors.Is(err, aftershock.ErrInterrupted):
		return exitUnknown
	}
	return exitInput
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
		Version:       version(),
	}
	root.AddCommand(runCommand(), checkCommand(), exportCommand(), reportCommand(), listCommand(), doctorCommand(), cleanCommand(),
		sandboxCommand(), serveCommand(), agent.NewCommand(), probe.NewCommand(), ripple.NewCommand())
	return root
}
