package workloads

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// The words of arrival and of backlog.
const (
	ArriveConstant = "constant" // evenly spaced
	ArrivePoisson  = "poisson"  // random and independent of each other

	CatchUp = "catch-up" // what is late is sent as soon as the bound allows
	SkipIt  = "skip"     // what is late is given up
)

// MaxPhases bounds the phases of one load.
const MaxPhases = 100

// ClosedWord is the rate of a phase in which clients wait for nothing but answers.
const ClosedWord = "closed"

// catchUpTimes is how many times the mean rate of a phase the late operations of
// it are sent at, where a plan does not say. A client that waits while its late
// operations are held back adds to what they are measured to take: at ten times
// the rate a tenth of what went by meanwhile.
const catchUpTimes = 10

// paced are the rows that every workload with a rate has besides.
func paced() []schema.Key[Spec] {
	return []schema.Key[Spec]{
		{Field: schema.Field{Name: "arrival", Type: schema.Word, Words: []string{ArriveConstant, ArrivePoisson}, Default: ArriveConstant,
			Meaning: "how operations follow each other at a rate: evenly, or at random and independently as those of many users do"},
			At: func(s *Spec) any { return &s.Arrival }},
		{Field: schema.Field{Name: "load", Type: schema.List, Max: MaxPhases, Absent: "the plan's load, else the rate all the time",
			Example: "[" + phaseExample + "]", Fields: schema.Fields(PhaseKeys()), Meaning: "the rate over the measured phase, in the place of rate"},
			At: func(s *Spec) any { return &s.Load }},
		{Field: schema.Field{Name: "backlog", Type: schema.Word, Words: []string{CatchUp, SkipIt}, Default: CatchUp,
			Meaning: "what becomes of operations whose time passed while no client was free: they are sent late, or never; either way they count from when they were intended"},
			At: func(s *Spec) any { return &s.Backlog }},
		{Field: schema.Field{Name: "catch_up", Type: schema.Rate, Min: minRate, Max: maxRate, Example: "4000/s",
			Absent: "ten times the rate", Meaning: "the most operations per second of all clients together while late ones are sent"},
			At: func(s *Spec) any { return &s.CatchUp }},
	}
}

const phaseExample = "{name: steady, rate: 500/s, for: 30s}"

// PhaseKeys are the keys of one phase of a load.
func PhaseKeys() []schema.Key[pace.Phase] {
	return []schema.Key[pace.Phase]{
		{Field: schema.Field{Name: "name", Type: schema.Name, Absent: "p1, p2, … by its place", Example: "steady",
			Meaning: "what its facts are called after: load.steady.throughput"},
			At: func(p *pace.Phase) any { return &p.Name }},
		{Field: schema.Field{Name: "rate", Type: schema.Rate, Max: maxRate, Words: []string{ClosedWord}, Required: true, Example: "500/s",
			Meaning: "operations per second of all clients together; closed: as fast as answers come; 0: none"},
			At: func(p *pace.Phase) any { return &p.Rate }},
		{Field: schema.Field{Name: "to", Type: schema.Rate, Min: minRate, Max: maxRate, Absent: "the rate stays", Example: "2000/s",
			Meaning: "the rate at the end, to which it goes evenly"},
			At: func(p *pace.Phase) any { return &p.To }},
		schema.Group(schema.Field{Name: "sine", Absent: "the rate stays", Example: "{amplitude: 300/s, period: 10s}",
			Meaning: "the rate swings around its value"}, sineKeys(), func(p *pace.Phase) *pace.Sine { return &p.Sine }),
		{Field: schema.Field{Name: "for", Type: schema.Duration, Min: float64(time.Millisecond), Max: float64(24 * time.Hour), Required: true, Example: "30s",
			Meaning: "how long it lasts; all phases together last as long as the plan's duration"},
			At: func(p *pace.Phase) any { return &p.For }},
	}
}

func sineKeys() []schema.Key[pace.Sine] {
	return []schema.Key[pace.Sine]{
		{Field: schema.Field{Name: "amplitude", Type: schema.Rate, Max: maxRate, Absent: "no swing", Example: "300/s",
			Meaning: "the most that is added and taken away; at most the rate"},
			At: func(s *pace.Sine) any { return &s.Amplitude }},
		{Field: schema.Field{Name: "period", Type: schema.Duration, Max: float64(24 * time.Hour), Absent: "no swing", Example: "10s",
			Meaning: "from one greatest rate to the next"},
			At: func(s *pace.Sine) any { return &s.Period }},
	}
}

// Named gives the phases that have no name one by their place, in a copy.
func Named(phases []pace.Phase) []pace.Phase {
	phases = slices.Clone(phases)
	for i := range phases {
		if phases[i].Name == "" {
			phases[i].Name = "p" + strconv.Itoa(i+1)
		}
	}
	return phases
}

// CheckPhases refuses phases that cannot be; the error begins with the place of the
// wrong one, such as 2.to.
func CheckPhases(phases []pace.Phase) error {
	names := map[string]bool{}
	for i, p := range Named(phases) {
		wrong := func(key, format string, args ...any) error {
			return fmt.Errorf("%d.%s %s", i, key, fmt.Sprintf(format, args...))
		}
		steady := p.Rate >= 0 && p.Rate <= maxRate
		switch {
		case !schema.IsName(p.Name):
			return wrong("name", "cannot be %q: use a-z, 0-9 and - between them", p.Name)
		case names[p.Name]:
			return wrong("name", "is %s, as that of another phase: give each its own, as its facts are called after it", p.Name)
		case p.For <= 0:
			return wrong("for", "is %s: a phase has a length above 0", p.For)
		case !steady && p.Rate != pace.Closed:
			return wrong("rate", "is %g/s: use 0 to %.0f, or %s", p.Rate, float64(maxRate), ClosedWord)
		case p.To != 0 && !steady:
			return wrong("to", "stands beside rate: %s, from where no ramp can go: say a rate", ClosedWord)
		case p.To != 0 && !(p.To >= minRate && p.To <= maxRate):
			return wrong("to", "is %g/s: use %g to %.0f", p.To, minRate, float64(maxRate))
		case p.To != 0 && p.Sine != pace.Sine{}:
			return wrong("to", "stands beside sine: make two phases of it")
		case p.Sine == pace.Sine{}:
		case !steady || !(p.Sine.Amplitude > 0 && p.Sine.Amplitude <= p.Rate):
			return wrong("sine", "has an amplitude of %g/s: use more than 0, and at most the rate, which cannot fall below 0", p.Sine.Amplitude)
		case p.Sine.Period < time.Millisecond:
			return wrong("sine", "has a period of %s: use at least 1ms", p.Sine.Period)
		}
		names[p.Name] = true
	}
	return nil
}

// checkPaced checks what paced adds.
func checkPaced(s Spec) error {
	has := Paced(s.Type)
	switch {
	case !has && (s.Arrival != "" || len(s.Load) > 0 || s.Backlog != "" || s.CatchUp != 0 || s.Pipeline != 0):
		return fmt.Errorf("pipeline, arrival, load, backlog and catch_up are not for the workload %s; leave them out", s.Type)
	case !has:
		return nil
	case len(s.Load) > 0 && s.Rate != 0:
		return fmt.Errorf("load stands beside rate; say the rate of each phase there, and leave rate out")
	case len(s.Load) > MaxPhases+1:
		return fmt.Errorf("load has %d phases; at most %d are possible", len(s.Load), MaxPhases)
	case !slices.Contains([]string{ArriveConstant, ArrivePoisson}, s.Arrival):
		return fmt.Errorf("arrival is %q; use %s or %s", s.Arrival, ArriveConstant, ArrivePoisson)
	case !slices.Contains([]string{CatchUp, SkipIt}, s.Backlog):
		return fmt.Errorf("backlog is %q; use %s or %s", s.Backlog, CatchUp, SkipIt)
	case s.CatchUp != 0 && !(s.CatchUp >= minRate && s.CatchUp <= maxRate):
		return fmt.Errorf("catch_up is %g/s; use %g to %.0f, or leave it out", s.CatchUp, minRate, float64(maxRate))
	case s.CatchUp != 0 && s.Backlog == SkipIt:
		return fmt.Errorf("catch_up stands beside backlog: %s, which sends nothing late; leave one of them out", SkipIt)
	}
	if err := CheckPhases(s.Load); err != nil {
		return fmt.Errorf("load.%w", err)
	}
	return nil
}

// Curve is the rate of a workload over time; nil in a closed loop.
func (s *Spec) Curve() *pace.Curve {
	switch {
	case len(s.Load) > 0:
		return pace.NewCurve(s.Load)
	case s.Rate > 0:
		return pace.NewCurve([]pace.Phase{{Rate: s.Rate}})
	}
	return nil
}

// loadPacer is the pacer of worker i of a workload with clients and a rate.
func loadPacer(s Spec, i int) Pacer {
	curve := s.Curve()
	switch {
	case curve == nil:
		return nil
	case s.Arrival == ArrivePoisson:
		return curve.Poisson(s.Clients, stream(s.Seed, s.Name+" arrivals", i).Uint64())
	}
	return curve.Constant(i, s.Clients)
}

// CatchUpGap is how many nanoseconds lie between two operations of one of so many
// workers while it sends late ones that had been intended around a time; 0: no
// bound.
func (s *Spec) CatchUpGap(curve *pace.Curve, workers int, at int64) int64 {
	most := s.CatchUp
	if most == 0 {
		most = catchUpTimes * curve.Mean(at)
	}
	if most <= 0 {
		return 0
	}
	return int64(float64(workers) * 1e9 / most)
}

// Paced tells whether workloads of a type have a rate.
func Paced(typ string) bool {
	e, _ := find(typ)
	return slices.ContainsFunc(e.Keys, func(k schema.Key[Spec]) bool { return k.Name == "arrival" })
}

// PhaseWords says in a few words what the rate of a phase is: "100/s to 2000/s".
func PhaseWords(p pace.Phase) string {
	words := strconv.FormatFloat(p.Rate, 'f', -1, 64) + "/s"
	switch {
	case p.Rate == pace.Closed:
		return history.ClosedLoad
	case p.Rate == 0 && p.To == 0:
		return "none"
	case p.To > 0:
		return words + " to " + strconv.FormatFloat(p.To, 'f', -1, 64) + "/s"
	case p.Sine.Amplitude > 0:
		return words + " ± " + strconv.FormatFloat(p.Sine.Amplitude, 'f', -1, 64) + "/s"
	}
	return words
}
