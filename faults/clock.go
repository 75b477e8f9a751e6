package faults

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Bounds of a clock's keys: ten years, beyond which certificates and files are what fails;
// what the agent can do in time; and to stand still or to be twice as fast.
const (
	maxSkew   = 87600 * time.Hour
	minStrobe = 10 * time.Millisecond
	maxStrobe = time.Hour
	maxDrift  = time.Second
)

// The agents' words for what they count of a clock.
const (
	countShifted = "processes shifted"
	countWaiting = "threads waiting on the wall clock"
)

// clockKind: the wall clock of the victims' programs is wrong, as where NTP fails or somebody
// sets it; that of the machine, and of the harness, is not touched.
func clockKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "clock", Victims: anyVictim(),
			About: "the wall clock of the node's programs is wrong: it jumps, goes to and fro, or drifts; its end gives them the true time"},
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "by", Type: schema.Duration, Min: -float64(maxSkew), Max: float64(maxSkew), Absent: "it drifts from the true time", Example: "-1h",
				Meaning: "how far it jumps: ahead, or if negative behind"}, At: func(s *Spec) any { return &s.By }},
			{Field: schema.Field{Name: "strobe", Type: schema.Duration, Min: float64(minStrobe), Max: float64(maxStrobe), Absent: "it stays there", Example: "200ms",
				Meaning: "every so often it jumps between `by` and the true time"}, At: func(s *Spec) any { return &s.Strobe }},
			{Field: schema.Field{Name: "drift", Type: schema.Text, Absent: "it goes at its true pace", Example: "100ms/s",
				Meaning: "how much it gains, or if negative loses, in each second; below 1s/s either way, so that it never goes back"}, At: func(s *Spec) any { return &s.Drift }},
		},
		Done: "given a wrong clock",
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			drift, _ := parseDrift(p.Spec.Drift) // validated
			clock := &cluster.Clock{By: p.Spec.By, Strobe: p.Spec.Strobe, Drift: drift}
			return onVictims(victims, cluster.Action{Kind: cluster.Skew, Clock: clock}, cluster.Action{Kind: cluster.Unskew}), describeClock(p.Spec)
		},
		Does:     []cluster.ActionKind{cluster.Skew, cluster.Unskew},
		Needs:    func(_ Spec, n *cluster.Needs) { n.Trace = true },
		validate: validateClock,
		verify:   verifyClock,
	}
}

// onVictims are steps with the same actions on each victim.
func onVictims(victims []int, begin, end cluster.Action) []Step {
	var steps []Step
	for _, v := range victims {
		steps = append(steps, Step{Node: v, Begin: begin, End: end})
	}
	return steps
}

func describeClock(s Spec) string {
	var words []string
	if s.By != 0 {
		words = append(words, "by "+s.By.String())
	}
	if s.Strobe > 0 {
		words = append(words, "to and fro every "+s.Strobe.String())
	}
	if s.Drift != "" {
		words = append(words, "drifting "+s.Drift)
	}
	return strings.Join(words, ", ")
}

// parseDrift reads what a clock gains in a second, such as 100ms/s, as seconds.
func parseDrift(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	gain, isRate := strings.CutSuffix(text, "/s")
	d, err := time.ParseDuration(gain)
	switch {
	case err != nil || !isRate:
		return 0, fmt.Errorf("drift is %s; write what the clock gains in a second, e.g. 100ms/s", strconv.Quote(text))
	case d <= -maxDrift || d >= maxDrift || d == 0:
		return 0, fmt.Errorf("drift is %s; use less than %s/s, and not 0", text, maxDrift)
	}
	return d.Seconds(), nil
}

func validateClock(s Spec, nodes []string) error {
	if _, err := parseDrift(s.Drift); err != nil {
		return err
	}
	switch {
	case s.By == 0 && s.Drift == "":
		return errors.New("it does not say by what the clock is wrong: use e.g. by: -1h, or drift: 100ms/s")
	case s.Strobe != 0 && s.By == 0:
		return errors.New("strobe is between the true time and by, which it has not: use e.g. by: 1h")
	}
	return validateVictim(s.Victim, anyVictim(), nodes)
}

// verifyClock wants programs to have had the wrong time.
func verifyClock(e Evidence) (string, bool) {
	n := e.Counts[countShifted]
	switch {
	case n > 0:
		words := "shifted the clock of " + units.Plural(int(n), "process", "processes")
		if w := e.Counts[countWaiting]; w > 0 {
			words += fmt.Sprintf("; approximate: %s until an instant of the wall clock, for which the kernel took the true one, so that they woke too early or too late",
				units.Plural(int(w), "thread waited", "threads waited"))
		}
		return words, true
	case e.Healed:
		return "no process had the wrong time: none ran on its victims meanwhile; choose another instant (at) or victim", false
	}
	return "no process was seen to have the wrong time: its end was not recorded; see harness.log in the run's folder", false
}
