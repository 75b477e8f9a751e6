package main

import (
	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/reaper"
	"github.com/aftershock-chaos/aftershock/harness"
)

// reapCommand is what every run starts to clean up after it if it is killed.
func reapCommand() *cobra.Command {
	return &cobra.Command{
		Use: reaper.Command, Short: "Clean up after a run that is killed (started by the harness, not by hand)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return harness.Reap(c.Context(), c.InOrStdin()) },
	}
}
