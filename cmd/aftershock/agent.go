package main

import (
	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// agentCommand is the first process of every node.
func agentCommand() *cobra.Command {
	return &cobra.Command{
		Use: "agent", Short: "Supervise a node (started by the hosts, not by hand)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return agent.Main(c.Context(), c.InOrStdin(), c.ErrOrStderr())
		},
	}
}
