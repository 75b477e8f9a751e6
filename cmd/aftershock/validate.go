package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

func validateCommand() *cobra.Command {
	var set []string
	var effective bool
	c := &cobra.Command{
		Use:   "validate PLAN…",
		Short: "Check plans without running them",
		Long: `Read plans as run does, and tell what is wrong with them, with the place and the
remedy, or in a line what they would do. Nothing is started. The exit code is 3 if
anything is wrong.`,
		Example:           "  aftershock validate my-plan.yaml\n  aftershock validate quickstart --set target.replicas=4 --effective",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completePlans,
		RunE: func(_ *cobra.Command, args []string) error {
			overrides, err := parseOverrides(set)
			if err != nil {
				return err
			}
			var wrong []error
			for _, arg := range args {
				wrong = append(wrong, validatePlans(arg, overrides, effective))
			}
			return errors.Join(wrong...)
		},
	}
	c.Flags().StringArrayVar(&set, "set", nil, "override a path of the plan, e.g. target.replicas=4 (repeatable)")
	c.Flags().BoolVar(&effective, "effective", false, "print the plans as they would be run, with what holds where they say nothing")
	return c
}

// validatePlans tells what the plans of a file come to.
func validatePlans(arg string, overrides []plan.Override, effective bool) error {
	plans, err := loadPlans(arg, overrides)
	if err != nil {
		return err
	}
	for i, p := range plans {
		expanded, err := p.Expand()
		if err != nil {
			return err
		}
		if !effective {
			fmt.Fprintf(stdout, "%s: %s\n", p.Name, planWords(p, len(expanded)))
			continue
		}
		text, err := p.YAML()
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(stdout, "---")
		}
		if _, err := stdout.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// planWords say in a line what a plan does.
func planWords(p *plan.Plan, variants int) string {
	runs := units.Plural(variants*max(1, p.Rounds()), "run", "runs")
	if p.Find.Asked() {
		runs = "a search"
	}
	words := []string{
		strings.TrimSpace(fmt.Sprintf("%s with %s", p.Target.Name, units.Plural(p.Target.Replicas, "replica", "replicas"))),
		units.Plural(len(p.Workloads), "workload", "workloads"),
		units.Plural(len(p.Faults), "fault", "faults"),
		units.Plural(len(p.Claims), "claim", "claims"),
		fmt.Sprintf("%s of %s", runs, p.Warmup+p.Duration),
	}
	if p.Target.Attach.Asked() {
		words[0] = p.Target.Name + ", a deployment that runs already"
	}
	return strings.Join(words, ", ")
}
