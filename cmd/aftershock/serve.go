package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// serveCommand is what a node runs when its target prepares the server's start.
func serveCommand() *cobra.Command {
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
