package all

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// What may become of a fact when evidence is taken away. Less evidence is an
// answer that nobody heard (a read, a delivery or a drain whose outcome becomes
// unknown, a read that fails), reads and drains that were never made, and a torn
// log; not an operation less that did something, which would be another world.
//
// An acknowledgement that nobody heard is less evidence too, but what it
// acknowledged is then not promised any more: facts about what was promised may
// tell of less.
type class uint8

const (
	// record: a count of what the log has. Only a torn log makes bounds of it.
	record class = iota
	// state: what became of what was promised, in the system. Bounds may move apart
	// and never together, so that no claim that was violated or unknown holds.
	// Without the promise there may be fewer, and no new ones.
	state
	// absence: what no answer had that was asked for later. It may become more, for
	// the answers that had it are gone, or be asked for no more; never fewer, so that
	// no claim that was violated or unknown holds.
	absence
	// anomaly: what contradicts in the answers. It is exact for the answers that
	// there are, so those that tell of it may be taken away and it with them. Never is
	// there one that was not there before; and without any answer it is unknown.
	anomaly
	// sound: true if all answers can be explained; what explains more explains less.
	sound
	// delay: how late something was first seen. It becomes longer or unknown, never
	// shorter.
	delay
	// sample: a time of those operations that were answered, whichever they are.
	sample
)

var classes = map[string]class{
	"set.acked": record, "set.lost": state, "set.diverged": state, "set.never_seen": absence,
	"queue.enqueued": record, "queue.dequeued": record, "queue.drained": record, "queue.lost": state, "queue.undelivered": absence,
	"queue.excused": absence, "queue.fifo": sound,
	"queue.redelivered":  record, // of two deliveries known to be acknowledged, one may be known no more
	"counter.increments": record, "counter.unknown": record, "counter.reads": record, "counter.lost": state,
	"append.txns": record, "append.unknown": record, "append.lost": state,
	"ids.generated": record, "bank.transfers": record, "bank.reads": record,
	"lag.markers": record,
}

func classOf(fact string) class {
	c, known := classes[fact]
	switch {
	case known:
		return c
	case strings.HasSuffix(fact, ".unseen"):
		return absence
	case strings.HasPrefix(fact, "lag."):
		return delay
	case strings.Contains(fact, "latency"), strings.Contains(fact, "residence"):
		return sample
	case strings.HasSuffix(fact, "read_uncommitted"), strings.HasSuffix(fact, "read_committed"), strings.HasSuffix(fact, "isolation"), strings.HasSuffix(fact, "serializable"):
		return sound
	}
	return anomaly
}

// removed tells what was taken away.
type removed struct{ promise, answer, cut bool }

// contradiction tells why a fact may not be what it is after evidence was taken
// away; empty if it may.
func contradiction(before, after checkers.Value, by removed) string {
	least, most := before.Bounds()
	now, nowMost := after.Bounds()
	c := classOf(before.Name)
	switch {
	case by.cut && (now > least || nowMost < most):
		return "of a torn log it leaves out what the whole tells"
	case by.cut:
	case c == state && now > max(least, 0):
		return "more is proven by less evidence"
	case c == state && !by.promise && nowMost < most, c == absence && !by.promise && nowMost < most:
		return "less is possible by less evidence"
	case c == anomaly && most == 0 && now > 0, c == anomaly && !strings.HasPrefix(before.Name, "append.") && now > most:
		return "there is an anomaly that was not there before"
	case c == sound && least == 1 && nowMost == 0:
		return "what explained more does not explain less"
	case c == delay && !by.promise && nowMost < least:
		return "it is seen earlier by less evidence"
	}
	return ""
}

// withdraw makes an operation's answer one that nobody heard, where that is
// possible.
func withdraw(r *rand.Rand, op *history.Op) (by removed) {
	if op.Outcome != history.OK {
		return by
	}
	op.Outcome, op.Error = history.Unknown, history.ErrTimeout
	switch op.Kind {
	case history.Read, history.Poll, history.Balances, history.ReadSet, history.Generate:
		by.answer = true
		if op.Outcome = history.Fail; r.IntN(2) == 0 && op.Kind != history.Generate {
			op.Outcome = history.Unknown
		}
		op.Value, op.Elements = 0, nil
	case history.Dequeue:
		by.answer = true
		if r.IntN(2) == 0 {
			op.Value = history.Nil
		}
	case history.Drain:
		by.answer = true
	case history.Txn:
		by = removed{promise: !op.Final(), answer: true}
		micros, _ := history.Micros(op.Elements)
		op.Elements = nil
		for _, m := range micros {
			if m.Read {
				m.Known, m.List = false, nil
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
	default:
		by.promise = true
	}
	return by
}

// without takes evidence away from a log.
func without(r *rand.Rand, log *history.Log) (*history.Log, removed) {
	less := &history.Log{Meta: log.Meta, Ops: slices.Clone(log.Ops)}
	var by removed
	switch x := r.IntN(10); {
	case x < 5:
		by = withdraw(r, &less.Ops[r.IntN(len(less.Ops))])
	case x < 7: // reads that were never made
		at := r.IntN(len(less.Ops))
		if k := less.Ops[at].Kind; !less.Ops[at].Final() && (k == history.Read || k == history.ReadSet || k == history.Poll || k == history.Balances) {
			less.Ops, by.answer = slices.Delete(less.Ops, at, at+1), true
		}
	case x < 8: // a run that ended before the final reads and drains
		by.answer = true
		less.Ops = slices.DeleteFunc(less.Ops, func(op history.Op) bool { return op.Final() })
	case x < 9: // no node answers at the end
		for i := range less.Ops {
			if less.Ops[i].Final() {
				withdraw(r, &less.Ops[i])
				by.answer = true
			}
		}
	case !foreign(log): // torn logs are of our own runs
		end := less.Ops[r.IntN(len(less.Ops))].End
		less.Ops = slices.DeleteFunc(less.Ops, func(op history.Op) bool { return op.End > end })
		less.Torn, by.cut = true, true
	}
	return less, by
}

// foreign tells whether a history is none of our own workloads: they add and
// enqueue nothing twice, and only count up.
func foreign(log *history.Log) bool {
	seen := map[int64]bool{}
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Kind == history.Add || op.Kind == history.Enqueue {
			if seen[op.Value] {
				return true
			}
			seen[op.Value] = true
		} else if op.Kind == history.Increment && op.Value < 0 {
			return true
		}
	}
	return false
}

func judged(o *object, log *history.Log) map[string]checkers.Value {
	limits := checkers.DefaultLimits
	limits.Workers = 1
	values := map[string]checkers.Value{}
	for _, v := range o.checker.Check(context.Background(), checkers.Input{Log: log, Limits: limits}).Values {
		values[v.Name] = v
	}
	return values
}

// eachWorld has many random histories of every object judged, on all processors.
func eachWorld(t *testing.T, n int, judge func(o *object, r *rand.Rand) string) {
	eachOf(t, objects, n, judge)
}

func eachOf(t *testing.T, objects []object, n int, judge func(o *object, r *rand.Rand) string) {
	checktest.Alone(t)
	n = checktest.Histories(t, n)
	seed := checktest.RandomSeed(t)
	began := time.Now()
	workers := runtime.GOMAXPROCS(0)
	kit.Parallel(context.Background(), workers, workers, func(worker int) {
		for i := worker; i < n && !t.Failed(); i += workers {
			o := &objects[i%len(objects)]
			if wrong := judge(o, rand.New(rand.NewPCG(seed, uint64(i)))); wrong != "" {
				t.Errorf("AFTERSHOCK_SEED=%d, history %d of %s: %s", seed, i, o.workload, wrong)
			}
		}
	})
	t.Logf("%d histories in %s", n, time.Since(began).Round(time.Millisecond))
}

// TestDifferentialLessEvidence: less evidence never gives more.
func TestDifferentialLessEvidence(t *testing.T) {
	var mu sync.Mutex
	moved := map[class]int{} // facts that became less certain
	eachWorld(t, 7_000, func(o *object, r *rand.Rand) string {
		_, log := newWorld(o, r)
		before := judged(o, log)
		for range 3 {
			less, by := without(r, log)
			if len(less.Ops) == 0 {
				return ""
			}
			after := judged(o, less)
			for name, v := range before {
				if why := contradiction(v, after[name], by); why != "" {
					return fmt.Sprintf("%s: %s (%+v)\nbefore %+v\n%s\nafter %+v\n%s", name, why, by, v, showOps(log), after[name], showOps(less))
				}
				if by != (removed{}) && v.Known && !v.AtLeast && (!after[name].Known || after[name].AtLeast) {
					mu.Lock()
					moved[classOf(name)]++
					mu.Unlock()
				}
			}
			log, before = less, after // and less again
			if log.Torn {
				return ""
			}
		}
		return ""
	})
	for _, c := range []class{record, state, absence, anomaly, sound, delay, sample} {
		if moved[c] < 20 && !t.Failed() {
			t.Errorf("facts of class %d became less certain only %d times", c, moved[c])
		}
	}
}

// TestDifferentialTruth: what became of everything lies within the bounds.
func TestDifferentialTruth(t *testing.T) {
	var mu sync.Mutex
	exact, apart := map[string]int{}, map[string]int{}
	eachWorld(t, 7_000, func(o *object, r *rand.Rand) string {
		w, log := newWorld(o, r)
		values := judged(o, log)
		for _, name := range []string{"set.lost", "queue.lost", "counter.lost", "append.lost"} {
			v, judged := values[name]
			if !judged {
				continue
			}
			least, most := v.Bounds()
			if truth := w.truth[name]; truth < least || truth > most {
				return fmt.Sprintf("%s is %v, and %+v is told\n%s", name, truth, v, showOps(log))
			}
			mu.Lock()
			if least == most && least > 0 {
				exact[name]++
			} else if least != most && !math.IsInf(most, 1) {
				apart[name]++
			}
			mu.Unlock()
		}
		return ""
	})
	for _, name := range []string{"set.lost", "queue.lost", "counter.lost", "append.lost"} {
		if (exact[name] < 20 || apart[name] < 20) && !t.Failed() {
			t.Errorf("%s was known to be above 0 only %d times, and to lie between bounds %d times", name, exact[name], apart[name])
		}
	}
}

func showOps(log *history.Log) string {
	var b strings.Builder
	for i := range log.Ops {
		op := &log.Ops[i]
		fmt.Fprintf(&b, "  %d-%d node %d %s %d %v %s", op.Start, op.End, op.Node, op.Kind, op.Value, op.Elements, op.Outcome)
		if op.Kind == history.CAS {
			fmt.Fprintf(&b, " of %d", op.Old)
			if op.Flags&history.Seen != 0 {
				fmt.Fprintf(&b, ", which saw %d", op.Observed)
			}
		}
		if op.Final() {
			b.WriteString(" final")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
