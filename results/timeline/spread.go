package timeline

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/history"
)

// spread is one plot of distributions by percentile.
type Spread struct {
	Name  string       `json:"name"`
	About string       `json:"about"`
	Lines []SpreadLine `json:"lines"`
}

// spreadLine is one distribution: its values, in milliseconds, at percentilesOf(N).
type SpreadLine struct {
	Label string    `json:"label"`
	N     int64     `json:"n"`
	P     Column    `json:"p"`  // values
	At    []float64 `json:"at"` // percentiles
}

// tail are the percentiles at which a distribution is drawn: as many nines as it has
// operations for, and its maximum.
var tail = [...]float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.995, 99.999, 99.9999}

// lineOf draws a distribution; ok is false for an empty one.
func lineOf(label string, d *kit.Distribution) (line SpreadLine, ok bool) {
	n := d.Count()
	if n == 0 {
		return line, false
	}
	line.Label, line.N = label, n
	for _, p := range tail {
		if p > 50 && float64(n)*(100-p)/100 < 1 {
			break
		}
		line.At, line.P = append(line.At, p), append(line.P, float64(d.At(p))/1e6)
	}
	most := 100 - 50/float64(n) // its rank lies beyond all others
	if most > line.At[len(line.At)-1] {
		line.At, line.P = append(line.At, most), append(line.P, float64(d.At(100))/1e6)
	}
	return line, true
}

// PhaseWords name the parts of a run to its faults.
var PhaseWords = map[checkers.Phase]string{checkers.PhaseBefore: "before faults", checkers.PhaseDuring: "during faults", checkers.PhaseAfter: "after faults"}

// spreads gathers the distributions of a run.
type spreads struct {
	line *kit.Timeline
	of   map[spreadKey]*kit.Distribution
}

type spreadKey struct {
	kind  history.Kind
	phase checkers.Phase
}

func newSpreads(log *history.Log) *spreads {
	return &spreads{kit.NewTimeline(log), map[spreadKey]*kit.Distribution{}}
}

func (s *spreads) add(op *history.Op) {
	if !op.Load() || op.Outcome != history.OK {
		return
	}
	phase := s.line.Phase(op)
	if !phase.Measured() {
		return
	}
	key := spreadKey{op.Kind, phase}
	d := s.of[key]
	if d == nil {
		d = &kit.Distribution{}
		s.of[key] = d
	}
	d.Record(kit.Span(op.End, op.Intended))
}

// latency is a plot for each kind of operation.
func (s *spreads) latency() []Spread {
	kinds := map[history.Kind]bool{}
	for key := range s.of {
		kinds[key.kind] = true
	}
	list := []Spread{}
	for kind := history.Kind(0); int(kind) < history.Kinds; kind++ {
		if !kinds[kind] {
			continue
		}
		one := Spread{Name: kind.String(), About: "latency of acknowledged operations, from when they were intended"}
		for _, phase := range checkers.MeasuredPhases {
			if d := s.of[spreadKey{kind, phase}]; d != nil {
				if line, ok := lineOf(PhaseWords[phase], d); ok {
					one.Lines = append(one.Lines, line)
				}
			}
		}
		list = append(list, one)
	}
	return list
}

// nodeSpread draws a distribution for each node.
func nodeSpread(name, about string, nodes []string, of map[int]*kit.Distribution) (Spread, bool) {
	one := Spread{Name: name, About: about}
	var order []int
	for i, d := range of {
		if i >= 0 && i < len(nodes) && d.Count() > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(of[b].At(100), of[a].At(100)), cmp.Compare(a, b)) })
	order = order[:min(len(order), mostNodes)]
	slices.Sort(order)
	for _, i := range order {
		if line, ok := lineOf(nodes[i], of[i]); ok {
			one.Lines = append(one.Lines, line)
		}
	}
	return one, len(one.Lines) > 0
}

// lagSpread is the lag that clients saw, of markers of the measured phase that showed.
func lagSpread(log *history.Log) (Spread, bool) {
	of := map[int]*kit.Distribution{}
	line := kit.NewTimeline(log)
	for _, s := range lag.LagSamples(log) {
		if line.At(s.At-s.AckToVisible) == checkers.PhaseWarmup {
			continue
		}
		record(of, int(s.Node), s.AckToVisible)
	}
	return nodeSpread("lag", "from a write's acknowledgement until it shows on the replica; what never showed is left out", log.Meta.Nodes, of)
}

// staleSpread is the staleness of the stale reads that nodes answered.
func staleSpread(log *history.Log, stale []checkers.StaleSample) (Spread, bool) {
	of := map[int]*kit.Distribution{}
	for _, s := range stale {
		if int(s.Op) < len(log.Ops) {
			record(of, int(log.Ops[s.Op].Node), s.Staleness)
		}
	}
	return nodeSpread("staleness", "of stale reads: for how long a newer value had been acknowledged when the read began", log.Meta.Nodes, of)
}

func record(of map[int]*kit.Distribution, node int, ns int64) {
	if of[node] == nil {
		of[node] = &kit.Distribution{}
	}
	of[node].Record(ns)
}
