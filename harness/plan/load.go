package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// What a history can number: Op.Worker has 16 bits, Op.Node 7.
const (
	mostWorkers = 1<<16 - 1
	mostNodes   = 1<<7 - 1
)

// Loads are the plan's workloads as they are run: each with its load over the
// whole run, from the begin of the warm-up on, and the plan's seed.
func (p *Plan) Loads() []workloads.Spec {
	all := make([]workloads.Spec, len(p.Workloads))
	for i, w := range p.Workloads {
		all[i] = workloads.Defaults(w)
		all[i].Seed = p.Seed
		if all[i].Load = p.phasesOf(&all[i]); len(all[i].Load) > 0 && p.Warmup > 0 {
			before := pace.Phase{Name: warmupPhase, Rate: all[i].Load[0].Rate, For: p.Warmup}
			all[i].Load = append([]pace.Phase{before}, all[i].Load...)
		}
	}
	return all
}

// warmupPhase is what Loads calls the phase before those of a plan.
const warmupPhase = "before-the-load"

// phasesOf are the phases of one workload: its own, or the plan's.
func (p *Plan) phasesOf(w *workloads.Spec) []pace.Phase {
	if len(w.Load) > 0 || w.Rate > 0 || !workloads.Paced(w.Type) {
		return w.Load
	}
	return workloads.Named(p.Load)
}

// LoadSpan is one phase of the load, after the begin of measuring.
type LoadSpan struct {
	Name       string
	Begin, End time.Duration
	Rule       string   // in words: "500/s"
	Workloads  []string // that have it
}

// LoadSpans are the phases of all loads, those of a name once, in the order of
// the workloads.
func (p *Plan) LoadSpans() []LoadSpan {
	var all []LoadSpan
	places := map[string]int{}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		at := time.Duration(0)
		for _, phase := range workloads.Named(p.phasesOf(w)) {
			place, ok := places[phase.Name]
			if !ok {
				place = len(all)
				places[phase.Name] = place
				all = append(all, LoadSpan{Name: phase.Name, Begin: at, End: at + phase.For, Rule: workloads.PhaseWords(phase)})
			}
			all[place].Workloads = append(all[place].Workloads, w.Name)
			at += phase.For
		}
	}
	return all
}

// phaseNames are the names of the phases of all loads, for claims.
func (p *Plan) phaseNames() []string {
	var names []string
	for _, s := range p.LoadSpans() {
		names = append(names, s.Name)
	}
	return names
}

// durationOfLoad gives a plan that states no duration that of its load.
func (p *Plan) durationOfLoad() {
	if length := pace.Length(p.Load); length > 0 {
		p.Duration = length
		return
	}
	for i := range p.Workloads {
		if length := pace.Length(p.Workloads[i].Load); length > 0 {
			p.Duration = length
			return
		}
	}
}

// checkLoads checks the plan's loads against each other and the duration, and
// that a history can number all clients and nodes.
func (p *Plan) checkLoads() []*Error {
	if err := workloads.CheckPhases(p.Load); err != nil {
		return []*Error{p.wrongPhase("load", "the load", err)}
	}
	found := p.checkLength("load", p.Load)
	if len(p.Load) > 0 && !slices.ContainsFunc(p.Workloads, func(w workloads.Spec) bool { return len(w.Load) == 0 && len(p.phasesOf(&w)) > 0 }) {
		found = append(found, p.wrong("load", "no workload follows the plan's load: each has a rate or a load of its own, or follows none", "take it away, or the rate of a workload"))
	}
	spans, times := map[string]LoadSpan{}, ""
	for i := range p.Workloads {
		w, at, path := &p.Workloads[i], time.Duration(0), fmt.Sprintf("workloads.%d.load", i)
		found = append(found, p.checkLength(path, w.Load)...)
		for k, phase := range workloads.Named(p.phasesOf(w)) {
			span := LoadSpan{Begin: at, End: at + phase.For}
			if known, ok := spans[phase.Name]; ok && (known.Begin != span.Begin || known.End != span.End) && times == "" {
				times = phase.Name
				found = append(found, p.wrong(fmt.Sprintf("%s.%d", path, k), fmt.Sprintf("workload %s has a phase %s at another time than another workload", w.Name, phase.Name),
					"give it a name of its own, as facts are called after it"))
			}
			spans[phase.Name] = span
			at = span.End
		}
	}
	return append(found, p.checkNumbers()...)
}

// checkLength holds the length of a load to the duration.
func (p *Plan) checkLength(path string, phases []pace.Phase) []*Error {
	length := pace.Length(phases)
	if length == 0 || length == p.Duration {
		return nil
	}
	return []*Error{p.wrong(path, fmt.Sprintf("the phases of %s last %s in all, and the plan's duration is %s", lastPart(path), schema.SpellDuration(length), schema.SpellDuration(p.Duration)),
		fmt.Sprintf("set duration: %s, or leave it out", schema.SpellDuration(length)))}
}

// checkNumbers refuses more workers and nodes than a history can number.
func (p *Plan) checkNumbers() []*Error {
	nodes, workers := len(p.NodeNames()), 0
	if nodes > mostNodes {
		return []*Error{p.wrong("target.replicas", fmt.Sprintf("the plan has %d nodes, and a history numbers %d", nodes, mostNodes), fmt.Sprintf("use at most %d replicas", mostNodes-1))}
	}
	for i, s := range p.Workloads {
		w, err := workloads.New(s)
		if err != nil {
			continue // checkWorkloads tells it
		}
		if workers += w.Workers(nodes); workers > mostWorkers {
			return []*Error{p.wrong(fmt.Sprintf("workloads.%d", i), fmt.Sprintf("the workloads have more than %d clients in all, which is what a history numbers", mostWorkers),
				"ask for fewer clients, or run several plans")}
		}
	}
	return nil
}

// wrongPhase tells of a phase at its place; the error begins with that.
func (p *Plan) wrongPhase(path, what string, err error) *Error {
	place, message, _ := strings.Cut(err.Error(), " ")
	return p.wrong(path+"."+place, what+": "+lastPart(place)+" "+message, "")
}

// loadPhase reads one phase of a load.
func (d *decoder) loadPhase(n *yamltree.Node, path string) pace.Phase {
	p := pace.Phase{}
	const example = "{name: steady, rate: 500/s, for: 30s}"
	if !d.isEntry(n, path, "a phase of the load", example) {
		return p
	}
	d.object(n, path, "a phase of the load", example, d.fields(schema.Slots(workloads.PhaseKeys(), &p)))
	for _, key := range []string{"rate", "for"} {
		if _, ok := n.Child(key); !ok {
			d.wrong(n, path, fmt.Sprintf("the phase has no %s", key), "e.g. "+example)
		}
	}
	return p
}

// phaseNode writes one phase of a load.
func phaseNode(p pace.Phase) ast.Node {
	return flowMap(pairs(schema.Slots(workloads.PhaseKeys(), &p)))
}

// checkPipelines tells which workloads are to have several operations under way on
// one connection, of a target that cannot.
func (p *Plan) checkPipelines(info targets.Info) []*Error {
	var found []*Error
	for i, s := range p.Workloads {
		if w, err := workloads.New(s); err == nil && w.Spec().Pipeline > 1 {
			if why := info.CannotPipeline(w.Kinds()); why != "" {
				found = append(found, p.wrong(fmt.Sprintf("workloads.%d.pipeline", i), fmt.Sprintf("workload %s has %d operations under way on each connection, and %s",
					s.Name, w.Spec().Pipeline, why), "leave pipeline out, and use more clients instead"))
			}
		}
	}
	return found
}
