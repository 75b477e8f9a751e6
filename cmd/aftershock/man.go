package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/aftershock-chaos/aftershock/internal/build"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

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
