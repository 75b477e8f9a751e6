package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// checkClaims checks each claim's expression and that this plan's run can have
// the facts that it names.
func (p *Plan) checkClaims() []*Error {
	var found []*Error
	linear := false
	for i, text := range p.Claims {
		path := fmt.Sprintf("claims.%d", i)
		claim, err := claims.ParseClaim(text)
		var wrong *claims.ClaimError
		if errors.As(err, &wrong) {
			found = append(found, p.wrongClaim(path, text, wrong.Column, wrong.Message, ""))
			continue
		} else if err != nil {
			found = append(found, p.wrongClaim(path, text, 1, err.Error(), ""))
			continue
		}
		if answer, constant := claim.Constant(); constant {
			found = append(found, p.wrongClaim(path, text, 1, fmt.Sprintf("it is %t whatever is measured", answer == checkers.True), "compare a fact with what it may be, such as writes.lost == 0"))
		}
		linear = linear || slices.Contains(claim.Facts(), "linearizable")
		for _, fact := range claim.Facts() {
			if message, remedy := p.checkFact(fact); message != "" {
				column := len([]rune(text[:max(0, strings.Index(text, fact))])) + 1
				found = append(found, p.wrongClaim(path, text, column, message, remedy))
			}
		}
	}
	if p.StopOn == "violated" && !linear {
		found = append(found, p.wrong("stop_on", "stop_on: violated watches whether registers are linearizable, which no claim of this plan is about", "claim linearizable"))
	}
	return found
}

// checkFact tells why a run of this plan cannot have a fact.
func (p *Plan) checkFact(name string) (message, remedy string) {
	workloadNames := make([]string, len(p.Workloads))
	for i, w := range p.Workloads {
		workloadNames[i] = w.Name
	}
	if !claims.KnownFact(name, p.NodeNames(), p.faultIDs(name), workloadNames, p.phaseNames()) {
		remedy = "`aftershock list facts` tells all of them"
		if near := claims.SuggestFact(name); near != "" && near != name {
			remedy = fmt.Sprintf("did you mean %q?", near)
		} else if near == name {
			remedy = fmt.Sprintf("the nodes are %s, the faults %s", strings.Join(p.NodeNames(), ", "), p.faultRange())
			if phases := p.phaseNames(); len(phases) > 0 {
				remedy += ", the phases of the load " + strings.Join(phases, ", ")
			}
		}
		return fmt.Sprintf("unknown fact %q", spelling.Short(name)), remedy
	}
	if lag.IsServerLag(name) {
		if p.tellsLag() {
			return "", ""
		}
		return fmt.Sprintf("%s is what the system itself tells of its lag, and target %s tells none", name, p.Target.Name), "use the lag that clients see, such as lag.p99"
	}
	if wanted := p.lacksWorkload(name); wanted != "" {
		return fmt.Sprintf("%s is measured by the workload %s, which this plan does not have", name, wanted), "add {name: " + wanted + "} to workloads"
	}
	return "", ""
}

// lacksWorkload is a type of workload that the plan would need for a fact; empty
// if it lacks none. Facts that several objects have in common, such as those of
// availability, are never missed: nearly any workload will do.
func (p *Plan) lacksWorkload(fact string) string {
	checker, ok := claims.MeasuredBy(fact)
	if !ok || len(checker.Objects) != 1 {
		return ""
	}
	object := checker.Objects[0]
	if slices.ContainsFunc(p.Workloads, func(w workloads.Spec) bool { return workloads.ObjectOf(w.Type) == object }) {
		return ""
	}
	for _, t := range workloads.Types() {
		if t.Object == object {
			return t.Name
		}
	}
	return ""
}

// tellsLag tells whether the plan's system tells its replication lag itself.
func (p *Plan) tellsLag() bool {
	t, ok := p.System()
	if !ok {
		return p.unknownTarget() // it was checked when the plan was run
	}
	var system any
	config := targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Seed: p.Seed}
	attacher, ok := t.(targets.Attacher)
	err := error(nil)
	if ok && p.Target.Attach.Asked() {
		system, err = attacher.Attach(targets.AttachConfig{Config: config, Objects: "aftershock_check"})
	} else {
		system, err = t.Configure(config)
	}
	_, ok = system.(targets.LagTeller)
	return err == nil && ok
}

// faultIDs are those ids of the plan's faults that a fact's name holds. How
// many repeated faults there will be is known only with the seed.
func (p *Plan) faultIDs(name string) []string {
	var ids []string
	planned := p.plannedFaults()
	for _, part := range strings.Split(name, ".") {
		var n int
		if _, err := fmt.Sscanf(part, "f%d", &n); err == nil && part == fmt.Sprintf("f%d", n) && n >= 1 && n <= planned {
			ids = append(ids, part)
		}
	}
	return ids
}

// manyFaults stands for a number of faults that only the seed will tell.
const manyFaults = 10_000

func (p *Plan) plannedFaults() int {
	random := slices.ContainsFunc(p.Faults, func(s faults.Spec) bool { return s.Every > 0 })
	switch {
	case !random:
		return len(p.Faults)
	case p.Seed == 0:
		return manyFaults
	}
	return len(faults.Schedule(p.Faults, p.Duration, p.Seed))
}

func (p *Plan) faultRange() string {
	switch n := p.plannedFaults(); n {
	case 0:
		return "none"
	case 1:
		return "f1"
	case manyFaults:
		return "f1, f2, …"
	default:
		return fmt.Sprintf("f1 to f%d", n)
	}
}

// wrongClaim points into the claim's text where the file shows it as it is.
func (p *Plan) wrongClaim(path, text string, column int, message, remedy string) *Error {
	e := p.wrong(path, fmt.Sprintf("claim %q: %s", spelling.Short(text), message), remedy)
	if e.Line == 0 || e.Line > len(p.source.Lines) {
		return e
	}
	line := []rune(p.source.Lines[e.Line-1])
	for _, quote := range []int{0, 1} {
		if from := e.Column - 1 + quote; from <= len(line) && strings.HasPrefix(string(line[from:]), text) {
			e.Column += quote + column - 1
			e.Snippet = spelling.Snippet(p.source.Lines, e.Line, e.Column)
			break
		}
	}
	return e
}
