package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

const cleanTimeout = time.Minute

func cleanCommand() *cobra.Command {
	var images bool
	c := &cobra.Command{
		Use: "clean", Short: "Remove what runs whose harness died have left behind", Args: cobra.NoArgs,
		Long: `Remove containers, networks and temporary directories of runs whose harness is
dead. What belongs to a running harness, or to anybody else, is left alone.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), cleanTimeout)
			defer cancel()
			removed, err := harness.Clean(ctx, images)
			for _, r := range removed {
				fmt.Fprintln(stdout, "removed", r)
			}
			if err != nil {
				return fmt.Errorf("%w: clean: %w", failure.ErrInfrastructure, err)
			}
			if len(removed) == 0 {
				fmt.Fprintln(stdout, "nothing to remove")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&images, "images", false, "remove unused node images as well")
	return c
}
