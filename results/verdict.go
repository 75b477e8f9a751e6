package results

import (
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// VerdictVersion is the version of verdict.json; it changes when a field's
// meaning does.
const VerdictVersion = 1

// Answer is a three-valued judgement.
type Answer string

// The answers, the worst last.
const (
	Holds    Answer = "holds"
	Unproven Answer = "unknown"
	Violated Answer = "violated"
)

// Exit codes of a judged run.
const (
	ExitHolds    = 0
	ExitViolated = 1
	ExitUnknown  = 2
)

func answerOf(t checkers.Truth) Answer {
	switch t {
	case checkers.True:
		return Holds
	case checkers.False:
		return Violated
	}
	return Unproven
}

func (a Answer) rank() int {
	switch a {
	case Holds:
		return 0
	case Violated:
		return 2
	}
	return 1
}

// ExitCode is the process's exit code for the answer.
func (a Answer) ExitCode() int {
	return [...]int{ExitHolds, ExitUnknown, ExitViolated}[a.rank()]
}

// ExitCode is the process's exit code for the run.
func (v *Verdict) ExitCode() int { return v.Verdict.ExitCode() }

// Worst is the worst of the verdicts' answers; of none it is unknown.
func Worst(verdicts ...*Verdict) Answer {
	if len(verdicts) == 0 {
		return Unproven
	}
	worst := Holds
	for _, v := range verdicts {
		if v.Verdict.rank() > worst.rank() {
			worst = v.Verdict
		}
	}
	return worst
}

// Verdict is the judgement of one run with all that it rests on. It is the
// content of verdict.json. Times with _ns are nanoseconds, readings are those
// of the run's clock.
type Verdict struct {
	Version  int           `json:"version"`
	Verdict  Answer        `json:"verdict"`
	Notes    []string      `json:"notes,omitempty"`
	Plan     PlanInfo      `json:"plan"`
	Run      string        `json:"run"`
	Dir      string        `json:"dir,omitempty"`
	Started  time.Time     `json:"started"`
	Duration int64         `json:"duration_ns"` // from the clock's start to the last thing recorded
	Measured int64         `json:"measured_ns"` // length of the measured phase
	Nodes    []string      `json:"nodes"`
	Claims   []ClaimResult `json:"claims"`
	Gates    []Gate        `json:"gates"`
	Values   []FactValue   `json:"facts"` // by name
	Findings []Finding     `json:"findings"`
	Faults   []Fault       `json:"faults"`
	Latency  []LatencyRow  `json:"latency"`
	Lag      []LagRow      `json:"lag"`
	Told     []ToldRow     `json:"lag_told,omitempty"`
	LagNotes []string      `json:"lag_notes,omitempty"` // where told and seen lag differ
	Phases   []Span        `json:"phases"`
	History  Counts        `json:"history"`

	Staleness []checkers.StaleReads `json:"staleness,omitempty"` // of reads of registers
	Isolation *checkers.Isolation   `json:"isolation,omitempty"` // of transactions on lists
}

// PlanInfo is what a verdict says of the plan.
type PlanInfo struct {
	Name     string    `json:"name"`
	About    string    `json:"about,omitempty"`
	Seed     uint64    `json:"seed"`
	Host     string    `json:"host"`
	Target   string    `json:"target"`          // name and options in words
	Image    string    `json:"image,omitempty"` // what the nodes were made of on the docker host
	Replicas int       `json:"replicas"`
	Varied   []Setting `json:"varied,omitempty"` // of a plan with `vary`
	YAML     string    `json:"yaml,omitempty"`   // the effective plan
}

// Setting is one varied path with its value in this run.
type Setting struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// ClaimResult is a judged claim.
type ClaimResult struct {
	Claim  string `json:"claim"`
	Answer Answer `json:"answer"`
	Detail string `json:"detail"` // the measured values, and why it is unknown
}

// Gate is a condition without which a run proves nothing.
type Gate struct {
	Name   string `json:"name"`
	Met    bool   `json:"met"`
	Detail string `json:"detail"`
}

// FactValue is a measured fact with its unit.
type FactValue struct {
	checkers.Value
	Unit checkers.Unit `json:"unit,omitempty"`
}

// PlannedFault is a fault of the plan's schedule, for the gates.
type PlannedFault struct {
	ID   string
	Kind string
	What string        // in words: "isolate primary"
	At   time.Duration // after the start of measuring
}

// Input is what Judge needs.
type Input struct {
	Plan     PlanInfo
	Claims   []string
	MinOps   int // acknowledged measured operations; less than 1 means 1
	Planned  []PlannedFault
	Log      *history.Log
	Measured *Measured
	Started  time.Time
	Dir      string
	Notes    []string // of the harness, such as "interrupted"
}

// Judge decides the claims and the gates. The worst claim is the verdict; a
// gate that is not met makes it unknown at best. A violation stays one when a
// gate is not met, unless it rests on anomalies that were merely not found:
// their absence proves nothing in a run that did not do what was planned.
func Judge(in Input) *Verdict {
	m := in.Measured
	v := &Verdict{
		Version: VerdictVersion, Notes: append([]string{}, in.Notes...), Plan: in.Plan,
		Run: in.Log.Meta.Run, Dir: in.Dir, Started: in.Started,
		Nodes: in.Log.Meta.Nodes, Faults: allFaults(m.Faults, in.Planned),
		Latency: m.Latency, Lag: m.Lag, Told: m.Told, LagNotes: m.LagNotes, Phases: m.Phases, History: m.Counts,
		Staleness: m.Staleness, Isolation: m.Isolation,
	}
	t := newTimeline(in.Log)
	v.Duration = t.last
	if begin, end := max(t.begin, 0), min(t.end, t.last); end > begin {
		v.Measured = end - begin
	}
	for _, value := range m.Values {
		fact, _ := LookupFact(value.Name)
		v.Values = append(v.Values, FactValue{Value: value, Unit: fact.Unit})
	}
	for i := range m.Findings {
		v.Findings = append(v.Findings, findingOf(&m.Findings[i], in.Log.Meta.Nodes))
	}
	v.Gates = gates(in, m)
	met := true
	for _, g := range v.Gates {
		met = met && g.Met
	}
	v.judgeClaims(in.Claims, m.ByName(), met)
	return v
}

func (v *Verdict) judgeClaims(claims []string, values map[string]checkers.Value, met bool) {
	v.Verdict = Holds
	if !met {
		v.Verdict = Unproven
	}
	if len(claims) == 0 {
		v.Notes = append(v.Notes, "the plan claims nothing, so nothing was proven")
	}
	for _, text := range claims {
		result := judgeClaim(text, values, met)
		v.Claims = append(v.Claims, result)
		if result.Answer.rank() > v.Verdict.rank() {
			v.Verdict = result.Answer
		}
	}
}

func judgeClaim(text string, values map[string]checkers.Value, met bool) ClaimResult {
	claim, err := ParseClaim(text)
	if err != nil {
		return ClaimResult{Claim: text, Answer: Unproven, Detail: "it cannot be read: " + err.Error()}
	}
	answer, detail := claim.Evaluate(values)
	if answer == checkers.False && !met {
		if without, _ := claim.Evaluate(withoutAbsences(values)); without != checkers.False {
			return ClaimResult{Claim: text, Answer: Unproven, Detail: detail + "; a gate is not met, so not finding it proves nothing"}
		}
	}
	return ClaimResult{Claim: text, Answer: answerOf(answer), Detail: detail}
}

// withoutAbsences makes unknown what says only that nothing was found: counts
// of zero, and truths such as linearizable that one anomaly would refute.
func withoutAbsences(values map[string]checkers.Value) map[string]checkers.Value {
	rest := make(map[string]checkers.Value, len(values))
	for name, value := range values {
		fact, _ := LookupFact(name)
		if fact.Unit == checkers.Number && value.N == 0 || fact.Unit == checkers.Boolean && value.N != 0 {
			value.Known = false
		}
		rest[name] = value
	}
	return rest
}

// allFaults adds the planned faults that no event tells of.
func allFaults(faults []Fault, planned []PlannedFault) []Fault {
	all := append([]Fault{}, faults...)
	for _, p := range planned {
		i := indexFault(all, p.ID)
		if i < 0 {
			all = append(all, Fault{ID: p.ID, Kind: p.Kind, What: p.What, Error: "it was never put into effect"})
			continue
		}
		if p.What != "" {
			all[i].What = p.What
		}
		if all[i].Kind == "" {
			all[i].Kind = p.Kind
		}
	}
	return all
}

func indexFault(faults []Fault, id string) int {
	for i := range faults {
		if faults[i].ID == id {
			return i
		}
	}
	return -1
}

// gates lists every gate in a fixed order.
func gates(in Input, m *Measured) []Gate {
	least := max(in.MinOps, 1)
	list := []Gate{
		{
			Name: "enough operations", Met: m.Counts.Acked >= least,
			Detail: fmt.Sprintf("%s acknowledged while measuring, at least %d needed", plural(m.Counts.Acked, "operation was", "operations were"), least),
		},
		completeGate(in.Log),
		plannedGate(in.Log),
	}
	for _, p := range in.Planned {
		list = append(list, faultGate(p, m.Faults))
	}
	return list
}
