package faults

import (
	"errors"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Calls that a sick disk is met by.
func diskCalls() []string { return []string{"any", "read", "write", "sync"} }

// diskKind: some calls on a node's data directory fail, take longer, or do not
// return.
func diskKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "disk", Victims: anyVictim(),
			About: "calls on files of the data directory fail, are slow or stall; a sync that fails leaves its pages on no disk for ever, as Linux does"},
		Done:     "given a sick disk",
		Outage:   true,
		Keys:     diskKeys(),
		Does:     []cluster.ActionKind{cluster.Disk, cluster.Undisk},
		Needs:    needVolume,
		validate: validateDisk,
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			sick := p.Spec.Sick
			sick.Chance /= 100
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Disk, Sick: &sick}, End: cluster.Action{Kind: cluster.Undisk}})
			}
			return steps, ""
		},
		verify: verifyDisk,
	}
}

const longestDelay = float64(time.Minute)

func diskKeys() []schema.Key[Spec] {
	return []schema.Key[Spec]{
		{Field: schema.Field{Name: "on", Type: schema.Word, Words: diskCalls(), Default: "any",
			Meaning: "the calls that are touched; writes are also what makes and removes files"},
			At: func(s *Spec) any { return &s.Sick.On }},
		{Field: schema.Field{Name: "path", Type: schema.Text, Absent: "every file", Example: `"**/pg_wal/*"`,
			Meaning: "the files, by a pattern below the data directory: * is a part of a name, ** any number of folders"},
			At: func(s *Spec) any { return &s.Sick.Path }},
		{Field: schema.Field{Name: "error", Type: schema.Word, Words: []string{"EIO", "ENOSPC", "EROFS"}, Absent: "no call fails", Example: "EIO",
			Meaning: "with what they fail: a bad disk, a full one, one that takes no writes any more"},
			At: func(s *Spec) any { return &s.Sick.Error }},
		{Field: schema.Field{Name: "chance", Type: schema.Percent, Min: 0.01, Max: 100, Default: "100%",
			Meaning: "of one call to be touched"},
			At: func(s *Spec) any { return &s.Sick.Chance }},
		{Field: schema.Field{Name: "delay", Type: schema.Duration, Max: longestDelay, Absent: "none", Example: "20ms",
			Meaning: "how long a call waits before it is done"},
			At: func(s *Spec) any { return &s.Sick.Delay }},
		{Field: schema.Field{Name: "jitter", Type: schema.Duration, Max: longestDelay, Absent: "none", Example: "10ms",
			Meaning: "the deviation of a random time that is added to delay"},
			At: func(s *Spec) any { return &s.Sick.Jitter }},
		{Field: schema.Field{Name: "stall", Type: schema.Flag, Absent: "calls return", Example: "true",
			Meaning: "calls do not return until the fault is over"},
			At: func(s *Spec) any { return &s.Sick.Stall }},
	}
}

func validateDisk(spec Spec, nodes []string) error {
	s := spec.Sick
	if s.Error == "" && s.Delay == 0 && s.Jitter == 0 && !s.Stall {
		return errors.New("it does nothing to the calls; give it an error, a delay or stall: true")
	}
	if s.Stall && (s.Delay > 0 || s.Jitter > 0) {
		return errors.New("a call that stalls has no delay: leave one of them out")
	}
	return validateVictim(spec.Victim, anyVictim(), nodes)
}

// verifyDisk wants calls to have been touched.
func verifyDisk(e Evidence) (string, bool) {
	failed, delayed := e.Counts[cluster.CallsFailed], e.Counts[cluster.CallsDelayed]
	count := func(n uint64) string { return units.Plural(int(min(n, 1<<53)), "call", "calls") }
	switch {
	case failed > 0 && delayed > 0:
		return "held up " + count(delayed) + " and failed " + count(failed), true
	case failed > 0:
		return "failed " + count(failed), true
	case delayed > 0:
		return "held up " + count(delayed), true
	case e.Healed:
		return "no call was touched by it; have it last longer (for), raise chance, or see whether path matches what the system writes", false
	}
	return "it was not seen to touch a call: its heal was not recorded; see harness.log in the run's folder", false
}
