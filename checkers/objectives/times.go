package objectives

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// follower needs no operation twice. Of each fault it keeps when clients first saw
// what it did.
type follower struct {
	log       *history.Log
	doubts    *kit.Doubts
	changes   changes
	incidents []incident
	cycles    []cycle
	load      []bool // by workload
	seen      []seen // by incident
	begun     int    // incidents[:begun] began before the operation that came last
	writing   []int  // those of them that a write yet to come may be the first after
	reading   []int  // likewise
	failing   int    // incidents[failing:] may yet see the first failure
	last      int64  // end of the last operation of the load
	restored  restored
}

// seen is what clients saw first after one fault; Never: nothing.
type seen struct {
	failed, written, read int64
	noWrite, noRead       int64 // end of the last that was tried after it, without success; Beginning: none
}

func follow(in checkers.Input) checkers.Follower {
	log := in.Log
	f := &follower{log: log, doubts: kit.DoubtsOf(log), changes: changesOf(log), load: make([]bool, 256), last: kit.Beginning}
	f.incidents, f.cycles = incidents(log)
	for i := range min(len(log.Meta.Workloads), len(f.load)) {
		f.load[i] = log.Meta.Workloads[i].ActsOn() != history.ObjectMarker
	}
	for range f.incidents {
		f.seen = append(f.seen, seen{kit.Never, kit.Never, kit.Never, kit.Beginning, kit.Beginning})
	}
	f.restored = newRestored(log, f.incidents, &f.changes)
	return f
}

func (*follower) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }

// Add takes the next operation, in order of start.
func (f *follower) Add(op *history.Op) {
	if len(f.incidents) == 0 || op.Final() {
		return
	}
	f.restored.add(op)
	if !f.load[op.Workload] || !op.Load() && op.Flags&history.Part == 0 {
		return
	}
	from, until := kit.From(op), kit.Until(op)
	f.last = max(f.last, until)
	for ; f.begun < len(f.incidents) && f.incidents[f.begun].Begin < from; f.begun++ {
		f.writing, f.reading = append(f.writing, f.begun), append(f.reading, f.begun)
	}
	if op.Outcome != history.OK && op.Error != history.ErrCompare {
		f.fail(from, until)
	}
	if op.Kind.Writes() {
		f.writing = f.answer(f.writing, op, func(s *seen) (first, tried *int64) { return &s.written, &s.noWrite })
	}
	switch op.Kind {
	case history.Read, history.ReadSet, history.Dequeue, history.Balances, history.Txn:
		f.reading = f.answer(f.reading, op, func(s *seen) (first, tried *int64) { return &s.read, &s.noRead })
	}
}

// fail takes an error or a time-out of a client.
func (f *follower) fail(from, until int64) {
	for i := f.failing; i < len(f.incidents) && f.incidents[i].Begin <= until; i++ {
		if until < f.incidents[i].next {
			f.seen[i].failed = min(f.seen[i].failed, until)
		}
		if i == f.failing && f.incidents[i].next <= from {
			f.failing++ // what comes begins no earlier
		}
	}
}

// answer takes an operation for those faults of which it may be the first after,
// and returns those that are open still.
func (f *follower) answer(open []int, op *history.Op, of func(*seen) (first, tried *int64)) []int {
	from, until := kit.From(op), kit.Until(op)
	return slices.DeleteFunc(open, func(i int) bool {
		first, tried := of(&f.seen[i])
		if op.Outcome == history.OK {
			*first = min(*first, until)
		} else {
			*tried = max(*tried, until)
		}
		return *first <= from
	})
}

// Judge implements checkers.Follower.
func (f *follower) Judge(context.Context) checkers.Result {
	told := map[string][]span{}
	for i := range f.incidents {
		told["rto.detect"] = append(told["rto.detect"], f.detect(i))
		told["rto.role"] = append(told["rto.role"], f.role(i))
		told["rto.client.write"] = append(told["rto.client.write"], f.first(i, f.seen[i].written, f.seen[i].noWrite, "write"))
		told["rto.client.read"] = append(told["rto.client.read"], f.first(i, f.seen[i].read, f.seen[i].noRead, "read"))
		told["redundancy.restored"] = append(told["redundancy.restored"], f.restored.span(i, f.doubts))
	}
	counting := 0
	for _, c := range f.cycles {
		if c.counts {
			counting++
		}
	}
	r := checkers.Result{Values: []checkers.Value{kit.Counted("rto.cycles", counting)}}
	for _, m := range measures {
		spans, measured := told[m.name]
		if !measured && strings.HasPrefix(m.name, "rpo.") {
			continue // see points
		}
		of := make([]span, len(f.cycles))
		for i, c := range f.cycles {
			of[i] = spans[c.first]
		}
		r.Values = append(r.Values, cyclesOf(m.name, m.fault, of, spans, f.incidents, f.cycles)...)
	}
	return f.torn(r)
}

// torn takes back what a torn log does not tell.
func (f *follower) torn(r checkers.Result) checkers.Result {
	if !f.log.Torn {
		return r
	}
	for i := range r.Values {
		r.Values[i] = checkers.Value{Name: r.Values[i].Name, Why: kit.TornWhy}
	}
	return r
}

// until is how long a fault was watched: to the next one, or to the end of the load.
func (f *follower) until(i int) float64 {
	at := &f.incidents[i]
	return float64(max(f.doubts.Sure(at.Begin, min(at.next, max(f.last, at.Begin))), 0))
}

func (f *follower) detect(i int) span {
	at, s := &f.incidents[i], &f.seen[i]
	if s.failed == kit.Never {
		return atLeast(f.until(i), "no client had an error or a time-out before the next fault")
	}
	return f.took(at.Begin, s.failed)
}

func (f *follower) first(i int, first, tried int64, what string) span {
	at := &f.incidents[i]
	if first == kit.Never {
		why := fmt.Sprintf("no %s begun after %s (%s) was answered", what, at.Fault, at.Name)
		return atLeast(float64(f.doubts.Sure(at.Begin, max(tried, at.Begin))), why)
	}
	return f.took(at.Begin, first)
}

// role is as exact as the roles were asked for.
func (f *follower) role(i int) span {
	at := &f.incidents[i]
	switch {
	case len(f.changes.primaries) == 0:
		return nothing("nobody told of a primary")
	case at.primary == "":
		return nothing(fmt.Sprintf("%s (%s) did not hit the primary", at.Fault, at.Name))
	}
	e := f.changes.another(at.primary, at.Begin, at.next)
	if e == nil {
		return atLeast(f.until(i), fmt.Sprintf("no other node than %s became the primary before the next fault", at.primary))
	}
	s := f.took(at.Begin, e.At)
	since := int64(0)
	if e.Since != 0 && e.Since <= e.At {
		since = max(kit.Span(e.Since, at.Begin), 0)
	}
	if float64(since) < s.least {
		s.least, s.why = float64(since), "roles are seen by asking"
	}
	return s
}

// took is the time from a fault to something that was seen at once. It may have
// been seen late where the harness did not run as it should.
func (f *follower) took(begin, seen int64) span {
	return span{least: float64(f.doubts.Sure(begin, seen)), most: float64(kit.Span(seen, begin)), why: f.doubts.Why()}
}
