package main

import (
	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/harness"
)

// sandboxCommand is what the local host re-executes inside fresh namespaces.
func sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use: harness.SandboxCommand, Short: "Run a plan inside the namespaces of the local host", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return harness.ServeSandbox(c.Context(), c.InOrStdin(), c.OutOrStdout())
		},
	}
}
