package watch

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// From a contradiction that a watch suspects to one that is certain.

// leaving is a value that operations have seen of which the last ends at until.
type leaving struct {
	v, until int64
	written  bool
}

func (k *Watch) violate(f Flaw, v int64) {
	switch {
	case k.State != Watching:
		return
	case k.Guessed:
		k.State = Ambiguous
		return
	}
	k.State, k.Flaw, k.Value, k.At = suspected, f, v, k.Now
	for _, at := range k.Table {
		if at != 0 {
			k.leave(&k.Entries[at-1])
		}
	}
	k.stay()
}

// suspect takes an operation after a contradiction was found.
func (k *Watch) suspect(op *history.Op) {
	k.stay()
	if k.State == suspected && Writes(op) && k.again(op.Value) {
		k.State = Ambiguous
	}
}

// leave notes a value that is about to be forgotten.
func (k *Watch) leave(e *entry) {
	if e.until >= k.Now {
		k.leaving = append(k.leaving, leaving{e.v, e.until, e.written})
	}
}

// stay keeps of the forgotten values those that operations under way have
// seen. If there are none, what was suspected is certain.
func (k *Watch) stay() {
	k.leaving = slices.DeleteFunc(k.leaving, func(l leaving) bool { return l.until < k.Now })
	if k.State == suspected && len(k.leaving) == 0 {
		k.State, k.At = Violated, k.Now
	}
}

// again tells whether a write of v is not the first of it that an operation
// under way may have seen.
func (k *Watch) again(v int64) bool {
	second := false
	for i := range k.leaving {
		if l := &k.leaving[i]; l.v == v {
			second = second || l.written
			l.written = true
		}
	}
	return second
}
