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
	var deployment string
	c := &cobra.Command{
		Use: "clean", Short: "Remove what runs whose harness died have left behind", Args: cobra.NoArgs,
		Long: `Remove containers, networks and temporary directories of runs whose harness is
dead. What belongs to a running harness, or to anybody else, is left alone.

With --attach: remove from the deployment that the plan attaches to whatever runs
have left in it, which all begins with aftershock_. Runs that go on there, from
whichever machine, lose what they have.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), cleanTimeout)
			defer cancel()
			removed, err := cleaned(ctx, images, deployment)
			for _, r := range removed {
				fmt.Fprintln(stdout, "removed", r)
			}
			if err != nil {
				return failure.Infrastructure("clean", err)
			}
			if len(removed) == 0 {
				fmt.Fprintln(stdout, "nothing to remove")
			}
			return nil
		},
	}
	c.Flags().StringVar(&deployment, "attach", "", "the plan of a deployment to be cleaned of what runs have left in it")
	c.Flags().BoolVar(&images, "images", false, "remove unused node images as well")
	return c
}

// cleaned cleans the hosts of this machine, or the deployment of a plan.
func cleaned(ctx context.Context, images bool, deployment string) ([]string, error) {
	if deployment == "" {
		return harness.Clean(ctx, images)
	}
	p, err := attachingPlan(deployment, nil)
	if err != nil {
		return nil, err
	}
	return harness.CleanDeployment(ctx, p)
}
