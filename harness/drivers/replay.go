package drivers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// mostUntold bounds the operations of one worker that are made up: so many it makes in a
// flush of its history by far.
const mostUntold = 1 << 22

// errOther says that a worker's operations are not those that its seed makes.
var errOther = errors.New("what it recorded is not what its seed makes")

// errBeyondSeed says that somebody saw a value that a worker would have written later.
var errBeyondSeed = errors.New("a value was seen that it cannot have come to")

// replay makes a worker's operations again, in step with those that it recorded, and then
// those that it may have sent next. It knows what the worker does between them: a write
// may have a look before it, and is left out if that was not answered.
type replay struct {
	generator workloads.Generator
	filler    workloads.Filler // nil: it has filled what is to be there, or fills nothing
	blind     int              // keys before whose writes there may be looks
	request   workloads.Request
	have      bool   // request was made and is not recorded
	value     int64  // the last that was written
	ended     int64  // when the last recorded operation was, on the driver's clock
	process   uint32 // of the next operation
	step      uint32
}

// newReplay begins with a worker of a workload that nobody uses but this.
func newReplay(w workloads.Workload, worker, nodes int, seed uint64, began int64) *replay {
	r := &replay{generator: w.Worker(worker, nodes, seed), ended: began}
	r.filler, _ = r.generator.(workloads.Filler)
	if b, ok := r.generator.(workloads.BlindWriter); ok {
		r.blind = b.Blind()
	}
	return r
}

// take takes the next operation that the worker recorded.
func (r *replay) take(op *history.Op) error {
	if op.Flags&history.Part != 0 {
		return nil // of the scan before it
	}
	r.ended = max(r.ended, op.End)
	if r.process = op.Process; op.Outcome == history.Unknown {
		r.process += r.step
	}
	if !r.have {
		r.next()
	}
	switch q := &r.request; {
	case same(&q.Op, op):
		r.have = false
	case op.Kind == history.Read && q.Op.Kind == history.Write && op.Key == q.Op.Key && int(op.Key) < r.blind:
		r.have = op.Outcome == history.OK // it was a look
	default:
		return fmt.Errorf("%w: %s of key %d in place of %s of key %d", errOther, op.Kind, op.Key, q.Op.Kind, q.Op.Key)
	}
	r.generator.Done(op)
	return nil
}

// next makes the next request.
func (r *replay) next() {
	if r.filler == nil || !r.filler.Fill(&r.request) {
		r.filler = nil
		r.generator.Next(&r.request)
	}
	r.have = true
	if written, ok := lastWritten(&r.request.Op); ok {
		r.value = written
	}
}

// untold are the operations that the worker may have sent after those that it recorded, up
// to that which wrote a value that somebody saw: whatever it did besides nobody saw. Each
// has a process of its own, for it may still be under way as the next begins.
func (r *replay) untold(seen int64, template history.Op) (all []history.Op, err error) {
	for n := 0; r.value < seen || r.have; n++ {
		if n == mostUntold {
			return nil, errBeyondSeed
		}
		if !r.have {
			r.next()
		}
		r.have = false
		op := r.request.Op
		if _, writes := lastWritten(&op); !writes {
			continue
		}
		op.Workload, op.Worker, op.Process = template.Workload, template.Worker, r.process
		op.Intended, op.Start, op.End, op.Elements = r.ended, r.ended, r.ended, slices.Clone(op.Elements)
		op.Node, op.Outcome, op.Error, op.Flags = -1, history.Unknown, history.ErrUntold, 0
		r.process += r.step
		all = append(all, op)
	}
	return all, nil
}

// same tells whether an operation is what was asked for, whatever came of it.
func same(asked, op *history.Op) bool {
	if asked.Kind != op.Kind || asked.Key != op.Key {
		return false
	}
	switch op.Kind {
	case history.Write, history.Add:
		return asked.Value == op.Value
	case history.Scan:
		return asked.Old == op.Old
	case history.Txn:
		return slices.Equal(appended(asked), appended(op))
	}
	return true
}

// lastWritten is the greatest value that an operation writes, if it does.
func lastWritten(op *history.Op) (value int64, ok bool) {
	switch op.Kind {
	case history.Write, history.Add:
		return op.Value, true
	case history.Txn:
		if all := appended(op); len(all) > 0 {
			return all[len(all)-1], true
		}
	}
	return 0, false
}

// appended are the elements that a transaction appends.
func appended(op *history.Op) (all []int64) {
	micros, _ := history.Micros(op.Elements)
	for _, m := range micros {
		if !m.Read {
			all = append(all, m.Value)
		}
	}
	return all
}

// seen is the greatest value of each worker that anybody saw, by workload and worker.
type seen [][]int64

func newSeen(meta history.Meta) seen {
	s := make(seen, len(meta.Workloads))
	for i, w := range meta.Workloads {
		s[i] = make([]int64, w.Workers)
	}
	return s
}

// take takes what an operation shows.
func (s seen) take(op *history.Op) {
	if int(op.Workload) >= len(s) {
		return
	}
	of := s[op.Workload]
	note := func(v int64) {
		if w, ok := workloads.Writer(v); ok && w < len(of) {
			of[w] = max(of[w], v)
		}
	}
	switch op.Kind {
	case history.Read, history.Dequeue:
		if op.Outcome == history.OK {
			note(op.Value)
		}
	case history.CAS:
		note(op.Old)
		if op.Flags&history.Seen != 0 {
			note(op.Observed)
		}
	case history.ReadSet, history.Drain:
		for _, v := range op.Elements {
			note(v)
		}
	case history.Txn:
		micros, _ := history.Micros(op.Elements)
		for _, m := range micros {
			for _, v := range m.List {
				note(v)
			}
		}
	}
}
