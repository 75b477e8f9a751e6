package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// agentCommand is the first process of every node.
func agentCommand() *cobra.Command {
	var guest bool
	c := &cobra.Command{
		Use: "agent", Short: "Supervise a node (started by the hosts, not by hand)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if guest {
				return agent.MainOnHost(c.Context(), os.Stdin, os.Stdout, c.ErrOrStderr())
			}
			return agent.Main(c.Context(), c.InOrStdin(), c.ErrOrStderr())
		},
	}
	c.Flags().BoolVar(&guest, "guest", false, "as a guest on a machine of somebody else's")
	return c
}
