package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/probe"
	"github.com/aftershock-chaos/aftershock/harness"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

const doctorTimeout = 20 * time.Second

func doctorCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "doctor", Short: "Tell which hosts and targets work on this machine, and what is missing for the rest", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("unknown --format %q; use text or json", format)
			}
			ctx, cancel := context.WithTimeout(c.Context(), doctorTimeout)
			defer cancel()
			checks, works := diagnose(ctx)
			if err := c.Context().Err(); err != nil {
				return err // what was not looked at is not missing
			}
			if err := printChecks(checks, format); err != nil {
				return fmt.Errorf("print the checks: %w", err)
			}
			if !works {
				return exitError{exitInfrastructure}
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

// diagnose checks every host, what they are made of, and what of the targets is
// here; works is true when at least one host can run plans, whatever targets
// are missing.
func diagnose(ctx context.Context) (checks []probe.Check, works bool) {
	for _, h := range harness.Hosts() {
		found, err := h.Available(ctx)
		c := probe.Check{Name: "host " + h.Name, OK: err == nil, Detail: found}
		if h.Tested != "" {
			c.Detail += " (tested with " + h.Tested + ")"
		}
		if err != nil {
			c.Detail, c.Remedy = err.Error(), h.Remedy
		}
		works = works || c.OK
		checks = append(checks, c)
	}
	checks = append(checks, probe.All(ctx)...)
	for _, l := range lookAround(ctx, alltargets.Targets(), engineImages(ctx)) {
		checks = append(checks, l.check())
	}
	return checks, works
}

func printChecks(checks []probe.Check, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(checks)
	}
	for _, c := range checks {
		mark := "ok     "
		if !c.OK {
			mark = "missing"
		}
		if _, err := fmt.Fprintf(stdout, "%s  %-28s %s\n", mark, c.Name, c.Detail); err != nil {
			return err
		}
		if !c.OK && c.Remedy != "" {
			fmt.Fprintf(stdout, "         %-28s → %s\n", "", c.Remedy)
		}
	}
	return nil
}
