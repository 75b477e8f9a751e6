package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/results"
)

func checkCommand() *cobra.Command {
	var format string
	var claims []string
	var write bool
	c := &cobra.Command{
		Use:   "check RUN|HISTORY…",
		Short: "Judge the recorded history of earlier runs again",
		Long: `Read the history of each run directory (or a bare history file), run every
checker, and judge the plan's claims, or those given with --claim. A run whose
harness died is judged by what it wrote until then.

Exit codes are those of run.`,
		Example: `  aftershock check runs/latest
  aftershock check runs/latest --claim 'writes.lost == 0' --claim 'lag.p99 < 50ms'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			print, err := printer(format)
			if err != nil {
				return err
			}
			var verdicts []*results.Verdict
			var failures []error
			for _, path := range args {
				result, err := aftershock.Check(c.Context(), path, aftershock.CheckOptions{Claims: claims, Write: write})
				if err != nil {
					fmt.Fprintln(os.Stderr, "aftershock:", err)
					failures = append(failures, err)
				}
				if result != nil {
					verdicts = append(verdicts, result.Verdict)
				}
			}
			if err := print(os.Stdout, verdicts...); err != nil {
				return fmt.Errorf("print the verdicts: %w", err)
			}
			return conclude(verdicts, failures)
		},
	}
	c.Flags().StringArrayVar(&claims, "claim", nil, "judge this claim in place of the plan's (repeatable)")
	c.Flags().BoolVar(&write, "write", false, "write verdict.json and report.html into the run directory")
	c.Flags().StringVar(&format, "format", "text", "text, json, junit, table or markdown")
	return c
}
