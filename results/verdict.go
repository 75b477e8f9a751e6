package results

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// VerdictVersion is the version of verdict.json; it changes when a field's
// meaning does.
const VerdictVersion = 1

// Answer is a three-valued judgement.
type Answer string

// The answers, the worst last. A run whose plan claims nothing proves nothing and is
// OnlyMeasured, where its gates are met.
const (
	Holds        Answer = "holds"
	OnlyMeasured Answer = "measured"
	Unproven     Answer = "unknown"
	Violated     Answer = "violated"
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
	case Holds, OnlyMeasured:
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
	worst := OnlyMeasured
	for _, v := range verdicts {
		if v.Verdict.rank() > worst.rank() || v.Verdict == Holds && worst == OnlyMeasured {
			worst = v.Verdict
		}
	}
	return worst
}

// Verdict is the judgement of one run with all that it rests on. It is the
// content of verdict.json. Times with _ns are nanoseconds, readings are those
// of the run's clock.
type Verdict struct {
	Version   int                   `json:"version"`
	Verdict   Answer                `json:"verdict"`
	Notes     []string              `json:"notes,omitempty"`
	Remarks   []string              `json:"remarks,omitempty"` // when the harness itself did not run as it should, and what was never sent
	Plan      PlanInfo              `json:"plan"`
	Run       string                `json:"run"`
	Dir       string                `json:"dir,omitempty"`
	Started   time.Time             `json:"started"`
	Machine   *Machine              `json:"machine,omitempty"` // nil: the run does not tell, as those of versions before
	Duration  int64                 `json:"duration_ns"`       // from the clock's start to the last thing recorded; 0: no times were told
	Measured  int64                 `json:"measured_ns"`       // length of the measured phase
	Nodes     []string              `json:"nodes"`
	Drivers   []Driver              `json:"drivers,omitempty"` // processes that drove the load; none: the harness did
	Claims    []ClaimResult         `json:"claims"`
	Summary   []FactValue           `json:"summary"`           // what everybody asks first, claimed or not
	Control   *Control              `json:"control,omitempty"` // nil: the plan states none
	Gates     []Gate                `json:"gates"`
	Values    []FactValue           `json:"facts"` // by name
	Findings  []Finding             `json:"findings"`
	Faults    []Fault               `json:"faults"`
	Place     []Happening           `json:"place,omitempty"` // of a deployment that somebody else runs
	Latency   []checkers.LatencyRow `json:"latency"`
	Lag       []LagRow              `json:"lag"`
	ServerLag []ServerLagRow        `json:"lag_told,omitempty"`
	LagNotes  []string              `json:"lag_notes,omitempty"` // where told and seen lag differ
	Phases    []Span                `json:"phases"`
	Load      []LoadPhase           `json:"load,omitempty"` // whose facts are called load.<name>.…
	History   Counts                `json:"history"`
	Course    *Course               `json:"course,omitempty"` // nil: no times were told, as by versions before

	Staleness []checkers.StaleReads `json:"staleness,omitempty"` // of reads of registers
	Isolation *checkers.Isolation   `json:"isolation,omitempty"` // of transactions on lists
}

// PlanInfo is what a verdict says of the plan.
type PlanInfo struct {
	Name  string `json:"name"`
	File  string `json:"file,omitempty"` // that it was read from, as it was named
	Line  int    `json:"line,omitempty"` // of the plan in File
	About string `json:"about,omitempty"`
	// Foreign says that the history is of another tool: no number in it is one of our
	// clients'.
	Foreign bool   `json:"foreign,omitempty"`
	Seed    uint64 `json:"seed"`
	Host    string `json:"host"`
	Target  string `json:"target"` // name and options in words
	// TargetName and Options say the same as Target; runs of old have only that.
	TargetName string            `json:"target_name,omitempty"`
	Options    map[string]string `json:"options,omitempty"`
	Version    string            `json:"version,omitempty"` // that the servers said they are
	Image      string            `json:"image,omitempty"`   // what the nodes were made of on the docker host
	Replicas   int               `json:"replicas"`
	Varied     []Setting         `json:"varied,omitempty"`   // of a plan with `vary`
	YAML       string            `json:"yaml,omitempty"`     // the effective plan
	Currency   string            `json:"currency,omitempty"` // of the plan's prices
}

// System is the target in words, with the version that ran: "postgres 17.6
// synchronous_commit=off".
func (p PlanInfo) System() string {
	if p.Version == "" {
		return p.Target
	}
	name, options, _ := strings.Cut(p.Target, " ")
	return strings.TrimSpace(name + " " + p.Version + " " + options)
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
	Detail string `json:"detail"`         // the measured values, and why it is unknown
	Line   int    `json:"line,omitempty"` // in the plan's file
	// Findings are the indexes of those among the verdict's that its facts count; nil
	// in verdicts of earlier versions, which do not tell.
	Findings []int `json:"findings"`
}

// Gate is a condition without which a run proves nothing.
type Gate struct {
	Name   string `json:"name"`
	Met    bool   `json:"met"`
	Detail string `json:"detail"`

	missed bool // it is met though some of what it is about did not happen
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
	// Entry, of a fault that a repeated entry of the plan was planned into, is
	// that entry's number from 1; 0: the plan names the fault's own instant.
	Entry int
	Every string // what the entry is called: "every 5s"
}

// Input is what Judge needs.
type Input struct {
	Plan     PlanInfo
	Claims   []string
	Lines    map[string]int // of the claims in the plan's file, as far as they stand there
	Control  *Control       // nil: the plan states none
	MinOps   int            // acknowledged measured operations; less than 1 means 1
	Lost     int            // drivers of the load that may be lost
	Effect   float64        // share of the faults of a repeated entry that have to take effect; 0 means all
	Planned  []PlannedFault
	Log      *history.Log
	Measured *Measured
	Started  time.Time
	Dir      string
	Machine  *Machine
	Notes    []string // of the harness, such as "interrupted"
	// Scheduled says that Planned is the whole schedule of the run; otherwise, as
	// of a history from elsewhere, faults may have happened that it does not have.
	Scheduled bool
	Changed   []string // files of the run that are not what they were at its end
	Names     Names    // of a history in which numbers stand for names; else nil
}

// Judge decides the claims and the gates. The worst claim is the verdict; a
// gate that is not met makes it unknown at best. A violation stays one when a
// gate is not met, unless it rests on anomalies that were merely not found:
// their absence proves nothing in a run that did not do what was planned.
func Judge(in Input) *Verdict {
	m := in.Measured
	v := &Verdict{
		Version: VerdictVersion, Notes: append([]string{}, in.Notes...), Remarks: remarks(in.Log, m.ByName()), Plan: in.Plan,
		Run: in.Log.Meta.Run, Dir: in.Dir, Started: in.Started, Machine: in.Machine,
		Nodes: in.Log.Meta.Nodes, Drivers: driversOf(in.Log), Control: in.Control, Faults: allFaults(m.Faults, in.Planned), Place: happenings(in.Log),
		Latency: m.Latency, Lag: m.Lag, ServerLag: m.ServerLag, LagNotes: m.LagNotes, Phases: m.Phases, History: m.Counts, Course: m.Course,
		Staleness: m.Staleness, Isolation: m.Isolation,
	}
	t := newTimeline(in.Log)
	if v.Duration = t.last; in.Log.Doubts.Times != "" {
		v.Duration = 0
	} else if begin, end := max(t.begin, 0), min(t.end, t.last); end > begin {
		v.Measured = end - begin
	}
	for _, value := range m.Values {
		fact, _ := claims.LookupFact(value.Name)
		v.Values = append(v.Values, FactValue{Value: value, Unit: fact.Unit})
	}
	v.Summary = v.Headline()
	for _, p := range kit.LoadPhases(in.Log) {
		v.Load = append(v.Load, LoadPhase{Name: p.Name, Rule: p.Rule, Begin: p.Begin, End: p.End})
	}
	for i := range m.Findings {
		v.Findings = append(v.Findings, findingOf(&m.Findings[i], in.Log.Meta.Nodes, in.Names))
	}
	if !in.Scheduled {
		for _, note := range unansweredNotes(m.Faults) {
			v.note(note)
		}
	}
	v.Gates = gates(in, m)
	met := true
	for _, g := range v.Gates {
		met = met && g.Met
		if g.Met && g.missed {
			v.note(g.Name + ": " + g.Detail)
		}
	}
	v.judgeClaims(in.Claims, m.ByName(), met)
	for i := range v.Claims {
		v.Claims[i].Line = in.Lines[v.Claims[i].Claim]
		if claim, err := claims.ParseClaim(v.Claims[i].Claim); err == nil {
			v.Claims[i].Findings = v.findingsOf(claim, in.Log.Meta.Workloads)
		}
	}
	return v
}

// note adds a note, unless a verdict of before, whose notes are kept, had it.
func (v *Verdict) note(text string) {
	if !slices.Contains(v.Notes, text) {
		v.Notes = append(v.Notes, text)
	}
}

func (v *Verdict) judgeClaims(claims []string, values map[string]checkers.Value, met bool) {
	v.Verdict = Holds
	if len(claims) == 0 {
		v.Verdict = OnlyMeasured
	}
	if !met {
		v.Verdict = Unproven
	}
	if len(claims) == 0 {
		v.note("the plan claims nothing, so nothing was proven")
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
	claim, err := claims.ParseClaim(text)
	if err != nil {
		return ClaimResult{Claim: text, Answer: Unproven, Detail: "it cannot be read: " + err.Error()}
	}
	values = withHarness(claim, values)
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
		fact, _ := claims.LookupFact(name)
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
			all = append(all, Fault{ID: p.ID, Name: p.Kind, What: p.What, Error: "it was never put into effect"})
			continue
		}
		if p.What != "" {
			all[i].What = p.What
		}
		if all[i].Name == "" {
			all[i].Name = p.Kind
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
	least, remedy := max(in.MinOps, 1), ""
	if m.Counts.Acked < least && !in.Plan.Foreign {
		remedy = ": raise the workload's rate or clients, or duration, or lower gates.min_ops"
	}
	list := []Gate{
		{
			Name: "enough operations", Met: m.Counts.Acked >= least,
			Detail: fmt.Sprintf("%s acknowledged while measuring, at least %d needed%s", units.Plural(m.Counts.Acked, "operation was", "operations were"), least, remedy),
		},
		completeGate(in),
		plannedGate(in.Log),
	}
	if g, lost := driversGate(in); lost {
		list = append(list, g)
	}
	if g, disturbed := outsideGate(in.Log); disturbed {
		list = append(list, g)
	}
	list = append(list, faultGates(in, m.Faults)...)
	if in.Control != nil && in.Control.Tries > 0 {
		list = append(list, in.Control.gate())
	}
	return list
}

// String is the value for people.
func (v FactValue) String() string {
	return v.Format(v.Unit)
}

// Answer judges a claim of the run that its plan did not make.
func (v *Verdict) Answer(claim string) ClaimResult {
	values, met := make(map[string]checkers.Value, len(v.Values)), true
	for _, value := range v.Values {
		values[value.Name] = value.Value
	}
	for _, g := range v.Gates {
		met = met && g.Met
	}
	return judgeClaim(claim, values, met)
}
