package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/cluster/probe"
)

const (
	doctorTimeout = 20 * time.Second
	cleanTimeout  = time.Minute
)

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

// diagnose checks both hosts, what they are made of, and what of the targets is
// here; works is true when at least one host can run plans, whatever targets
// are missing.
func diagnose(ctx context.Context) (checks []probe.Check, works bool) {
	host := func(name, ok, remedy string, err error) {
		c := probe.Check{Name: "host " + name, OK: err == nil, Detail: ok}
		if err != nil {
			c.Detail, c.Remedy = err.Error(), remedy
		}
		works = works || c.OK
		checks = append(checks, c)
	}
	engine, err := docker.EngineInfo(ctx)
	host("docker", fmt.Sprintf("engine %s at %s", engine.Version, engine.Host), "start a Docker engine (20.10 or newer), or set DOCKER_HOST; plans run on the local host without it", err)
	host("local", "Linux namespaces", "run as root, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or the AppArmor setting of the distribution)",
		local.Available(ctx))
	checks = append(checks, probe.All(ctx)...)
	for _, l := range lookAround(ctx, aftershock.Targets(), engineImages(ctx)) {
		checks = append(checks, l.check())
	}
	return checks, works
}

func printChecks(checks []probe.Check, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(checks)
	}
	for _, c := range checks {
		mark := "ok     "
		if !c.OK {
			mark = "missing"
		}
		if _, err := fmt.Printf("%s  %-28s %s\n", mark, c.Name, c.Detail); err != nil {
			return err
		}
		if !c.OK && c.Remedy != "" {
			fmt.Printf("         %-28s → %s\n", "", c.Remedy)
		}
	}
	return nil
}

func cleanCommand() *cobra.Command {
	var images bool
	c := &cobra.Command{
		Use: "clean", Short: "Remove what runs whose harness died have left behind", Args: cobra.NoArgs,
		Long: `Remove containers, networks and temporary directories of runs whose harness is
dead. What belongs to a running harness, or to anybody else, is left alone.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), cleanTimeout)
			defer cancel()
			var err error
			removed := local.Clean(ctx)
			if docker.Available(ctx) == nil {
				more, dockerErr := docker.Clean(ctx)
				removed, err = append(removed, more...), errors.Join(err, dockerErr)
				if images {
					more, dockerErr = docker.CleanImages(ctx)
					removed, err = append(removed, more...), errors.Join(err, dockerErr)
				}
			}
			for _, r := range removed {
				fmt.Println("removed", r)
			}
			if err != nil {
				return fmt.Errorf("%w: clean: %w", aftershock.ErrInfrastructure, err)
			}
			if len(removed) == 0 {
				fmt.Println("nothing to remove")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&images, "images", false, "remove unused node images as well")
	return c
}
