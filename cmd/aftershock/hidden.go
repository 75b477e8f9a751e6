package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/probe"
	"github.com/aftershock-chaos/aftershock/cluster/reaper"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/internal/build"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// The commands that nobody types: what hosts, sandboxes, runs and releases start.

// agentCommand is the first process of every node.
func agentCommand() *cobra.Command {
	var guest bool
	var install string
	c := &cobra.Command{
		Use: "agent", Short: "Supervise a node (started by the hosts, not by hand)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if install != "" {
				return agent.Install(install)
			}
			if guest {
				return agent.MainOnHost(c.Context(), os.Stdin, os.Stdout, c.ErrOrStderr())
			}
			return agent.Main(c.Context(), c.InOrStdin(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&install, "install", "", "copy this binary to a path and end")
	c.Flags().BoolVar(&guest, "guest", false, "as a guest on a machine of somebody else's")
	return c
}

// targetCommand is what a node runs when its target prepares the server's start.
func targetCommand() *cobra.Command {
	return &cobra.Command{
		Use: kit.ServeCommand + " TARGET [ARG...]", Short: "Prepare and start a target's server in a node", Hidden: true,
		DisableFlagParsing: true, Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, t := range alltargets.Targets() {
				if l, ok := t.(targets.Launcher); ok && t.Info().Name == args[0] {
					return passSignalOn(l.Launch(c.Context(), args[1:]))
				}
			}
			return fmt.Errorf("no target %q starts its server this way", args[0])
		},
	}
}

// passSignalOn has a server that was ended by a signal end this process with 128
// and the signal's number, as a shell does: who looks after the node tells a
// server that was killed from one that gave up.
func passSignalOn(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return err
	}
	fmt.Fprintln(os.Stderr, "aftershock:", err)
	return exitError{128 + int(status.Signal())}
}

// sandboxCommand is what the local host re-executes inside fresh namespaces.
func sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use: harness.SandboxCommand, Short: "Run a plan inside the namespaces of the local host", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return harness.ServeSandbox(c.Context(), c.InOrStdin(), c.OutOrStdout())
		},
	}
}

// driveCommand is what a driver's node runs.
func driveCommand() *cobra.Command {
	session := false
	c := &cobra.Command{
		Use: harness.DriveCommand, Short: "Drive a part of a run's load (started by the harness, not by hand)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if session {
				return harness.DriveOnHost(c.Context(), os.Stdin, os.Stdout)
			}
			return harness.Drive(c.Context())
		},
	}
	c.Flags().BoolVar(&session, harness.SessionFlag, false, "for a harness that comes over the standard input and output")
	return c
}

// probeCommand is what doctor executes in a sandbox.
func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use: probe.Command, Short: "Check the kernel's network features (run by doctor)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return probe.InSandbox(c.OutOrStdout()) },
	}
}

// reapCommand is what every run starts to clean up after it if it is killed.
func reapCommand() *cobra.Command {
	return &cobra.Command{
		Use: reaper.Command, Short: "Clean up after a run that is killed (started by the harness, not by hand)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return harness.Reap(c.Context(), c.InOrStdin()) },
	}
}

// manCommand writes a manual page for each command. Their date is that of
// SOURCE_DATE_EPOCH, or today.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("%w: write the manual: %w", failure.ErrInfrastructure, err)
			}
			root := c.Root()
			root.InitDefaultCompletionCmd()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "AFTERSHOCK", Section: "1", Source: "aftershock " + build.Version(), Manual: "Aftershock"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("%w: write the manual: %w", failure.ErrInfrastructure, err)
			}
			return nil
		},
	}
}
