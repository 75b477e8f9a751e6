package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/cmd/aftershock/live"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/series"
	"github.com/aftershock-chaos/aftershock/results/judge"
)

// job is one run to make, or a series of them.
type job struct {
	name   string          // the plan's
	varied []plan.Override // the values that the plan varies, in this run
	run    func(context.Context, harness.Options) (*judge.Result, error)
	series *series.Series // nil: one run
	left   string         // how long the runs will still take, for the live line
}

// told is what is told of the run ahead of it, the i-th of n.
func (j *job) told(i, n int) live.Run {
	r := live.Run{Plan: j.name, Number: i, Of: n, Left: j.left}
	for _, v := range j.varied {
		r.Varied = append(r.Varied, v.Path+"="+v.Value)
	}
	return r
}

// jobs reads the plans, or the run to replay, and expands what varies.
func (f runFlags) jobs(paths []string) ([]job, error) {
	set := f.set
	if f.seed != 0 {
		set = append(set, fmt.Sprintf("seed=%d", f.seed))
	}
	if f.host != "" {
		set = append(set, "host="+f.host)
	}
	if f.repeat != nil {
		set = append(set, "repeat="+*f.repeat)
	}
	overrides, err := parseOverrides(set)
	if err != nil {
		return nil, err
	}
	if f.replay != "" {
		if len(paths) > 0 {
			return nil, fmt.Errorf("--replay takes the plan from the run; leave %s out", strings.Join(paths, " "))
		}
		replay, err := harness.LoadReplay(f.replay, overrides)
		if err != nil {
			return nil, err
		}
		return []job{{name: replay.Plan.Name, run: replay.Run}}, nil
	}
	if len(paths) == 0 {
		return nil, errors.New("name a plan file or a shipped plan, e.g. `aftershock run quickstart`; `aftershock list plans` tells what is shipped")
	}
	var jobs []job
	var wrong []error
	for _, path := range paths {
		plans, err := loadPlans(path, overrides)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, p := range plans {
			if several(p) || f.base != "" {
				job, err := f.seriesOf(p)
				if err != nil {
					wrong = append(wrong, err)
				}
				jobs = append(jobs, job)
				continue
			}
			expanded, err := p.Expand()
			if err != nil {
				wrong = append(wrong, err)
			}
			for _, e := range expanded {
				jobs = append(jobs, job{name: e.Plan.Name, varied: e.Varied, run: func(ctx context.Context, options harness.Options) (*judge.Result, error) {
					return harness.RunVariant(ctx, e, options)
				}})
			}
		}
	}
	return jobs, errors.Join(wrong...)
}

func parseOverrides(set []string) ([]plan.Override, error) {
	var overrides []plan.Override
	for _, s := range set {
		o, err := plan.ParseOverride(s)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, o)
	}
	return overrides, nil
}
