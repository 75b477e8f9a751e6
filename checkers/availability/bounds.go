package availability

import (
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// countUnsent counts what was never sent among the operations that waited until
// the load was over.
func (t *tally) countUnsent() {
	for i := range t.demand.Unsent {
		u := &t.demand.Unsent[i]
		if !t.line.Phase(&u.Op).Measured() {
			continue
		}
		add := func(c *kit.Errors) { c.Unsent += u.Count }
		add(&t.errors)
		add(&t.moments[t.line.Moment(&u.Op)])
		t.countAround(t.line, &u.Op, add)
	}
}

// why says what the bounds come from.
func (t *tally) why() string {
	return t.demand.Why(t.line, t.doubts)
}

// end is when the load was over, as far as operations until last are part of it:
// clients that wait for an answer hold the phase open, though nothing was
// intended any more.
func (t *tally) end(last int64) int64 {
	if !t.demand.Told {
		return t.line.Measured.End
	}
	return min(max(t.demand.Stop, last), t.line.Measured.End)
}

// inDoubt is how much of the measured phase is.
func (t *tally) inDoubt() int64 { return t.doubts.Within(t.line.Measured) }

// acked counts what was acknowledged. What was never sent may have been, too, and
// so may any number of operations of which the harness kept the clients.
func (t *tally) acked() checkers.Value {
	v := kit.Between("ops.ok", float64(t.ok), float64(t.ok)+float64(t.errors.Unsent), t.why())
	if t.inDoubt() > 0 {
		v.AtLeast, v.AtMost, v.Why = true, 0, "at least; "+t.why()
	}
	return v
}

// rate is least if what is in doubt or was never sent failed, and greatest if it
// did not, and took none of the time that is in doubt.
func (t *tally) rate() checkers.Value {
	v := checkers.Value{Name: "ops.rate", Why: "there was no measured phase"}
	length := kit.Span(t.end(t.last), t.line.Measured.Begin)
	if length <= 0 {
		return v
	}
	least := perSecond(float64(t.ok), length)
	if t.errors.Unsent == 0 && t.inDoubt() == 0 {
		return kit.Between(v.Name, least, least, "")
	}
	sure := length - t.inDoubt()
	if sure <= 0 {
		return checkers.Value{Name: v.Name, N: least, Known: true, AtLeast: true, Why: "at least; " + t.why()}
	}
	return kit.Between(v.Name, least, perSecond(float64(t.ok)+float64(t.errors.DoubtedErrors())+float64(t.errors.Unsent), sure), t.why())
}

func perSecond(n float64, length int64) float64 { return n / time.Duration(length).Seconds() }

// gap is the longest time in the measured phase without an acknowledgement;
// the phase's begin and end bound it too. It is least without what is in doubt.
func (t *tally) gap() checkers.Value {
	const name = "availability.write_gap.max"
	if t.writes == 0 {
		return checkers.Value{Name: name, Why: "nothing was written in the measured phase"}
	}
	last := t.written
	for i := range t.demand.Unsent {
		last = max(last, t.demand.Unsent[i].Op.End) // perhaps a write
	}
	longest, sure := t.acks.longestUntil(t.end(last))
	return kit.Between(name, float64(sure), float64(longest), t.why())
}

// loadValues compare what was asked for with what was sent.
func (t *tally) loadValues() []checkers.Value {
	const untold = "the run does not tell what it was asked for"
	asked := checkers.Value{Name: "load.asked", Why: untold}
	rate := checkers.Value{Name: "load.rate", Why: "there was no measured phase"}
	unsent := checkers.Value{Name: "load.unsent", Why: untold}
	begin := t.line.Measured.Begin
	// Until the last was sent, and not until it was answered: what is sent in time is no
	// less for an answer that takes long.
	if length := kit.Span(t.end(t.begun), begin); length > 0 {
		rate = kit.Between(rate.Name, perSecond(float64(t.sent), length), 0, "")
	}
	if t.demand.Told {
		left := float64(t.errors.Unsent - t.demand.SkippedOf(t.line))
		unsent = kit.Between(unsent.Name, left, left, "")
		if t.doubts.Within(t.line.ToEnd()) > 0 { // what stood still was the harness, and all of them may have waited for it
			unsent = kit.Between(unsent.Name, 0, left, t.why())
		}
		asked.Why = "a closed loop asks for as much as it gets"
		if length := kit.Span(t.demand.Stop, begin); !t.demand.Closed && length > 0 {
			asked = kit.Between(asked.Name, perSecond(float64(t.demand.Asked), length), 0, "")
		}
	}
	return []checkers.Value{asked, rate, unsent}
}
