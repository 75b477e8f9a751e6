package load

import (
	"math"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// phase is one phase of the load and what came of it. An operation belongs to
// that in which it was intended; an acknowledgement, for the throughput, to that in
// which it came.
type phase struct {
	kit.LoadPhase
	asked   int64 // intended
	acked   int   // in it
	late    int
	sure    int // of these, those that were late for the system
	sent    int
	errors  kit.Errors
	latency kit.Bounded
}

func phaseFacts() []checkers.Fact {
	const of = " of a phase of the load"
	return []checkers.Fact{
		{Name: "load.<phase>.asked", Unit: checkers.PerSec, Meaning: "operations per second that were intended in a phase of the load"},
		{Name: "load.<phase>.throughput", Unit: checkers.PerSec, Meaning: "operations acknowledged per second" + of + ", whenever they were intended"},
		{Name: "load.<phase>.error_rate", Unit: checkers.Ratio, Meaning: "share of errors among the operations that were intended in a phase of the load"},
		{Name: "load.<phase>.latency.p50", Unit: checkers.Nanos, Meaning: "median of intended start to answer of the acknowledged operations" + of},
		{Name: "load.<phase>.latency.p99", Unit: checkers.Nanos, Meaning: "99th percentile of intended start to answer of the acknowledged operations" + of},
		{Name: "load.<phase>.latency.max", Unit: checkers.Nanos, Meaning: "greatest time from intended start to answer of the acknowledged operations" + of},
		{Name: "load.<phase>.late", Unit: checkers.Ratio, Meaning: "share of the operations" + of + " that were sent more than " + history.LateBound.String() + " after they were intended, or never"},
		{Name: "load.<phase>.dropped", Unit: checkers.Number, Meaning: "operations intended in a phase of the load and never sent"},
	}
}

func (p *phase) add(op *history.Op, measured, late bool, least int64, doubted bool) {
	if !p.Of(op.Workload) {
		return
	}
	if op.Outcome == history.OK && p.Has(kit.Until(op)) {
		p.acked++
	}
	if !measured || !p.Has(op.Intended) {
		return
	}
	p.asked++
	if p.sent++; late {
		p.late++
		if !doubted {
			p.sure++
		}
	}
	failed := op.Outcome != history.OK && op.Error != history.ErrCompare
	p.errors.Add(failed, doubted)
	p.latency.Add(op, kit.Span(op.End, op.Intended), least, doubted)
}

// addUnsent counts what was never sent as waiting for as long as it did.
func (p *phase) addUnsent(line *kit.Timeline, doubts *kit.Doubts, demand *kit.Demand) {
	for i := range demand.Unsent {
		u := &demand.Unsent[i]
		if !p.Of(u.Op.Workload) || !p.Has(u.Op.Intended) || !line.Phase(&u.Op).Measured() {
			continue
		}
		p.asked += u.Count
		p.errors.Unsent += u.Count
		if u.Untold {
			p.latency.Any += u.Count
			continue
		}
		p.latency.Waiting.RecordMany(doubts.Sure(u.Op.Intended, u.Op.End), u.Count)
	}
}

func (p *phase) values(doubts *kit.Doubts, why string) []checkers.Value {
	prefix := "load." + p.Name + "."
	const none = "no operation was intended in this phase"
	values := []checkers.Value{p.askedFor(prefix + "asked"), p.throughput(prefix+"throughput", doubts, why), p.errors.Value(prefix+"error_rate", why)}
	for _, q := range [...]struct {
		name    string
		percent float64
	}{{"p50", 50}, {"p99", 99}, {"max", 100}} {
		values = append(values, p.latency.Value(prefix+"latency."+q.name, q.percent, "no operation of this phase was acknowledged", why))
	}
	late := kit.Ratio(prefix+"late", p.late+int(p.errors.Unsent), p.sent+int(p.errors.Unsent), none)
	never := float64(p.errors.Unsent)
	dropped := kit.Between(prefix+"dropped", never, never, "")
	if doubts.Within(kit.Stretch{Begin: math.MinInt64, End: p.End}) > 0 { // see tally.stood
		dropped = kit.Between(dropped.Name, 0, never, why)
		if late.Known {
			late = kit.Between(late.Name, float64(p.sure)/float64(p.sent+int(p.errors.Unsent)), late.N, why)
		}
	}
	return append(values, late, dropped)
}

func (p *phase) length() float64 { return time.Duration(kit.Span(p.End, p.Begin)).Seconds() }

func (p *phase) askedFor(name string) checkers.Value {
	switch {
	case p.length() <= 0:
		return checkers.Value{Name: name, Why: noTime}
	case p.Rule == history.ClosedLoad:
		return checkers.Value{Name: name, Why: "a closed loop asks for as much as it gets"}
	}
	return checkers.Value{Name: name, N: float64(p.asked) / p.length(), Known: true}
}

// noTime is why a phase has no figures per second.
const noTime = "the phase had not begun, or was called off at once"

// throughput is least if what failed in a time of doubt would have failed without
// that, and greatest if it would not, and took none of the time that is in doubt.
func (p *phase) throughput(name string, doubts *kit.Doubts, why string) checkers.Value {
	length, lost := p.length(), time.Duration(doubts.Within(p.Stretch)).Seconds()
	if length <= 0 {
		return checkers.Value{Name: name, Why: noTime}
	}
	least, more := float64(p.acked)/length, float64(p.errors.DoubtedErrors())
	switch {
	case lost >= length:
		return checkers.Value{Name: name, N: least, Known: true, AtLeast: true, Why: "at least; " + why}
	case lost == 0 && more == 0:
		return kit.Between(name, least, 0, "")
	}
	return kit.Between(name, least, (float64(p.acked)+more)/(length-lost), why)
}
