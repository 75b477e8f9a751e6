// Package ripple is the built-in target: a small but real primary/replica
// key-value store inside the aftershock binary (package server), so that a run
// needs no image and no installation.
package ripple

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

// Target is ripple as a target of plans.
type Target struct{}

// Names of the options.
const (
	optReplication   = "replication"
	optFsync         = "fsync"
	optFsyncInterval = "fsync_interval"
	optApply         = "apply"
	optReplayCost    = "replay_cost"
	optReadLease     = "read_lease"
	optBug           = "bug"
	optBugN          = "bug_n"
	optCapacity      = "capacity"
	optSlow          = "slow"
)

// Info describes ripple.
func (Target) Info() targets.Info {
	info := targets.Info{
		Name:  "ripple",
		About: "a small primary/replica key-value store inside the aftershock binary; speaks RESP2; has deliberate defects",
		Options: []schema.Field{
			{Name: optReplication, Default: string(server.Async), Words: server.Replications,
				Meaning: "acknowledge a write after the primary alone, after one replica, or after all in-sync replicas"},
			{Name: optFsync, Default: string(server.FsyncInterval), Words: server.Fsyncs,
				Meaning: "when the log is synced to disk"},
			{Name: optFsyncInterval, Default: server.DefaultFsyncInterval.String(),
				Meaning: "time between two syncs with fsync: interval"},
			{Name: optApply, Default: string(server.Serial), Words: server.Applies,
				Meaning: "replicas replay in one goroutine in log order, or by key in as many as there are processors"},
			{Name: optReplayCost, Default: "0s",
				Meaning: "CPU time spent per applied record: on the primary by each writer, on a serial replica by one goroutine"},
			{Name: optReadLease, Default: server.DefaultReadLease.String(),
				Meaning: "replication: sync: how long after a replica's last sign of life the primary still serves reads"},
			{Name: optCapacity, Default: "0/s",
				Meaning: "clients' commands on data that a node answers in a second, those of the lag workload included; 0: as many as it can"},
			{Name: optSlow, Default: "0%",
				Meaning: "how much longer a node takes for every client's command on data than it would; its capacity falls as well"},
			{Name: optBug, Default: "none", Meaning: "one or several deliberate defects, separated by commas; see `aftershock list bugs`"},
			{Name: optBugN, Default: strconv.Itoa(server.DefaultBugN), Meaning: "a random defect strikes one in so many times"},
		},
		Pipelined: pipelined,
		Versions:  versions(),
		Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll, history.Scan,
			history.Enqueue, history.Dequeue, history.Drain},
	}
	for _, b := range server.Bugs {
		info.Bugs = append(info.Bugs, targets.Bug{Name: b.Name, About: b.About, Shows: b.Shows})
	}
	return info
}

// Configure validates the options. Errors name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	if c.Replicas < 0 {
		return nil, fmt.Errorf("target.replicas: %d is negative: give 0 or more", c.Replicas)
	}
	s := &System{seed: c.Seed, bugN: server.DefaultBugN, readLease: server.DefaultReadLease,
		fsyncInterval: server.DefaultFsyncInterval, replication: string(server.Async),
		fsync: string(server.FsyncInterval), apply: string(server.Serial)}
	if err := s.setVersion(c.Version); err != nil {
		return nil, err
	}
	var names []string
	for _, o := range t.Info().Options {
		names = append(names, o.Name)
	}
	keys := make([]string, 0, len(c.Options))
	for key := range c.Options {
		keys = append(keys, key)
	}
	slices.Sort(keys) // the same mistake is reported first every time
	for _, key := range keys {
		if !slices.Contains(names, key) {
			return nil, fmt.Errorf("target.options.%s: ripple has no such option: %s", key, spelling.DidYouMean(key, names))
		}
		if err := s.set(key, strings.TrimSpace(c.Options[key])); err != nil {
			return nil, fmt.Errorf("target.options.%s: %w", key, err)
		}
	}
	return s, nil
}

// set takes one option's value.
func (s *System) set(key, value string) error {
	switch key {
	case optReplication:
		return word(&s.replication, value, server.Replications)
	case optFsync:
		return word(&s.fsync, value, server.Fsyncs)
	case optApply:
		return word(&s.apply, value, server.Applies)
	case optFsyncInterval:
		return duration(&s.fsyncInterval, value, time.Millisecond, time.Hour)
	case optReplayCost:
		return duration(&s.replayCost, value, 0, time.Second)
	case optReadLease:
		return duration(&s.readLease, value, 100*time.Millisecond, time.Hour)
	case optCapacity:
		return amount(&s.capacity, schema.Field{Name: key, Type: schema.Rate, Max: mostCapacity}, value)
	case optSlow:
		return amount(&s.slow, schema.Field{Name: key, Type: schema.Percent, Max: mostSlow}, value)
	case optBugN:
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of at least 1", value)
		}
		s.bugN = n
		return nil
	default:
		return s.setBugs(value)
	}
}

// The bounds of what a node can be told to be slow by.
const (
	mostCapacity = 10_000_000
	mostSlow     = 10_000 // percent
)

// amount reads a rate or a percentage.
func amount(p *float64, f schema.Field, value string) error {
	if m := (schema.Slot{Field: f, At: p}).Read(f.Name, value, false); m != nil {
		return fmt.Errorf("%s; %s", m.Message, m.Remedy)
	}
	return nil
}

func (s *System) setBugs(value string) error {
	s.bugs = nil
	if value == "" || value == "none" {
		return nil
	}
	for name := range strings.SplitSeq(value, ",") {
		var bug string
		if err := word(&bug, strings.TrimSpace(name), server.BugNames()); err != nil {
			return fmt.Errorf("%w (`aftershock list bugs` tells them all)", err)
		}
		if !slices.Contains(s.bugs, bug) {
			s.bugs = append(s.bugs, bug)
		}
	}
	return nil
}

func word(p *string, value string, known []string) error {
	if !slices.Contains(known, value) {
		return fmt.Errorf("%q is not known: %s", value, spelling.DidYouMean(value, known))
	}
	*p = value
	return nil
}

// duration parses "200us"; a bare 0 is allowed as YAML users write it.
func duration(p *time.Duration, value string, least, most time.Duration) error {
	d, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write it like 200us, 100ms or 2s", value)
	}
	if d < least || d > most {
		return fmt.Errorf("%v is out of range: give %v to %v", d, least, most)
	}
	*p = d
	return nil
}
