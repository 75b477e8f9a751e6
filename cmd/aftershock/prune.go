package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

func pruneCommand() *cobra.Command {
	var keep int
	var older ageFlag
	var dry bool
	c := &cobra.Command{
		Use:   "prune [FOLDER | RUN…]",
		Short: "Remove old run directories that found nothing",
		Long: `Remove the run directories of a folder (runs) that are neither among the --keep
newest nor younger than --older. A run that found something stays, and so does one
that is still under way or whose verdict cannot be read. A run that is named is
removed whatever it found.`,
		Example: "  aftershock prune --keep 20 --older 30d\n  aftershock prune runs/20261128T213828-redis-replicas-1-n5qwjebk",
		RunE: func(c *cobra.Command, args []string) error {
			if keep < 0 {
				return errors.New("--keep cannot be negative")
			}
			named, old, err := toPrune(args, rundir.Keep{Newest: keep, Within: time.Duration(older), Now: time.Now()})
			if err != nil {
				return err
			}
			if !named && !c.Flags().Changed("keep") && !c.Flags().Changed("older") {
				return errors.New("say what stays: --keep 20, --older 30d, or both; or name the runs that go")
			}
			return prune(old, dry)
		},
	}
	c.ValidArgsFunction = completeRuns
	c.Flags().IntVar(&keep, "keep", 0, "how many of the newest stay")
	c.Flags().Var(&older, "older", "only what is older than this goes, e.g. 12h, 30d")
	c.Flags().BoolVar(&dry, "dry-run", false, "tell what would go, and remove nothing")
	return c
}

// toPrune is what the arguments mean: runs by their names, or what of a folder may go.
func toPrune(args []string, k rundir.Keep) (named bool, old []rundir.Stored, err error) {
	if len(args) == 0 {
		args = []string{"runs"}
	}
	for _, arg := range args {
		if s, ok := rundir.Look(arg); ok {
			named = true
			old = append(old, s)
			continue
		}
		if len(args) > 1 {
			return false, nil, fmt.Errorf("%s is no run's directory", arg)
		}
		list, err := rundir.List(arg)
		if err != nil {
			return false, nil, err
		}
		old = rundir.Superfluous(list, k)
	}
	return named, old, nil
}

// prune removes runs that nobody is at work on.
func prune(old []rundir.Stored, dry bool) error {
	var errs []error
	var bytes uint64
	removed := 0
	for _, s := range old {
		if harness.Running(s.Path) {
			fmt.Fprintln(stdout, "under way", s.Path)
			continue
		}
		verb := "removed"
		if dry {
			verb = "would remove"
		} else if err := s.Remove(); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
		bytes += uint64(s.Bytes)
		fmt.Fprintln(stdout, verb, s.Path)
	}
	if removed == 0 && len(errs) == 0 {
		fmt.Fprintln(stdout, "nothing to remove")
	} else if removed > 1 {
		fmt.Fprintf(stdout, "%d runs, %s\n", removed, humanize.Bytes(bytes))
	}
	return errors.Join(errs...)
}

// ageFlag is a duration that may be told in days.
type ageFlag time.Duration

func (a *ageFlag) String() string { return time.Duration(*a).String() }

func (a *ageFlag) Type() string { return "age" }

func (a *ageFlag) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n <= 36_500 {
			*a = ageFlag(n * 24 * float64(time.Hour))
			return nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		*a = ageFlag(d)
		return nil
	}
	return fmt.Errorf("it cannot be %q; write it like 12h or 30d", text)
}
