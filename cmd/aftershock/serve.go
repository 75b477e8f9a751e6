package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// serveCommand is what a node runs when its target prepares the server's start.
func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: kit.ServeCommand + " TARGET [ARG...]", Short: "Prepare and start a target's server in a node", Hidden: true,
		DisableFlagParsing: true, Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, t := range aftershock.Targets() {
				if l, ok := t.(targets.Launcher); ok && t.Info().Name == args[0] {
					return l.Launch(c.Context(), args[1:])
				}
			}
			return fmt.Errorf("no target %q starts its server this way", args[0])
		},
	}
}
