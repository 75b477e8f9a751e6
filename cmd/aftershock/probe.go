package main

import (
	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/probe"
)

// probeCommand is what doctor executes in a sandbox.
func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use: probe.Command, Short: "Check the kernel's network features (run by doctor)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return probe.InSandbox(c.OutOrStdout()) },
	}
}
