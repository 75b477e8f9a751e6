package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/probe"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

const doctorTimeout = 20 * time.Second

func doctorCommand() *cobra.Command {
	var format, rbac string
	var set []string
	c := &cobra.Command{
		Use: "doctor [PLAN]", Short: "Tell which hosts and targets work on this machine, and what is missing for the rest", Args: cobra.MaximumNArgs(1),
		Long: `Tell which hosts and targets work on this machine, and what is missing for the rest.

With a plan that attaches to a deployment: have a first look at it, which touches
nothing. It says which nodes were found, their versions, roles and the settings
that matter to durability, which faults are possible there and why others are not,
what a run would create and break, and why it would be refused.`,
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("unknown --format %q; use text or json", format)
			}
			if c.Flags().Changed("rbac") {
				return printRole(rbac, args, set)
			}
			ctx, cancel := context.WithTimeout(c.Context(), doctorTimeout)
			defer cancel()
			if len(args) > 0 {
				return lookAtDeployment(ctx, args[0], set, format)
			}
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
	c.Flags().StringVar(&rbac, "rbac", "", "print the Kubernetes role that suffices for runs on host kubernetes, or for a plan that attaches to pods, bound to this user (user, if none is named), for kubectl apply")
	c.Flags().Lookup("rbac").NoOptDefVal = "user"
	c.Flags().StringArrayVar(&set, "set", nil, "override a path of the plan (repeatable)")
	return c
}

// printRole prints the role that runs need, or those of a plan that attaches to pods.
func printRole(user string, args, set []string) error {
	role := harness.Role(user)
	if len(args) > 0 {
		plans, err := attachingPlans(args[0], set)
		if err != nil {
			return err
		}
		role = harness.RoleFor(plans, user)
	}
	_, err := io.WriteString(stdout, role)
	return err
}

// lookAtDeployment has a first look at what a plan attaches to.
func lookAtDeployment(ctx context.Context, path string, set []string, format string) error {
	p, err := attachingPlan(path, set)
	if err != nil {
		return err
	}
	report, err := harness.Look(ctx, p)
	if err != nil {
		return fmt.Errorf("plan %s: %w", p.Name, err)
	}
	if err := printDeployment(report, format); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if len(report.Wrong) > 0 {
		return exitError{exitInfrastructure}
	}
	return nil
}

// attachingPlan is the first plan of a file that attaches to a deployment.
func attachingPlan(path string, set []string) (*plan.Plan, error) {
	plans, err := attachingPlans(path, set)
	if err != nil {
		return nil, err
	}
	return plans[0], nil
}

// attachingPlans are all of them, at least one.
func attachingPlans(path string, set []string) (attaching []*plan.Plan, err error) {
	overrides, err := parseOverrides(set)
	if err != nil {
		return nil, err
	}
	plans, err := loadPlans(path, overrides)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		if p.Target.Attach.Asked() {
			attaching = append(attaching, p)
		}
	}
	if len(attaching) == 0 {
		return nil, fmt.Errorf("%w: no plan of %s attaches to a deployment: `aftershock doctor` alone looks at this machine", failure.ErrInput, path)
	}
	return attaching, nil
}

func printDeployment(r *attached.Report, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	_, err := io.WriteString(stdout, r.Text())
	return err
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
		} else if h.Denied != nil {
			noteRights(ctx, h, &c)
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

// noteRights adds to a host's check what this user may not do there.
func noteRights(ctx context.Context, h harness.Host, c *probe.Check) {
	denied, err := h.Denied(ctx)
	switch {
	case err != nil:
		c.OK, c.Detail = false, c.Detail+"; "+err.Error()
	case len(denied) > 0:
		c.OK, c.Detail = false, c.Detail+"; this user may not "+strings.Join(denied, ", ")
		c.Remedy = "have an administrator apply what `aftershock doctor --rbac=USER` prints"
	}
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
