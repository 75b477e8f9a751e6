package foreign

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/history"
)

// initial reads what registers hold at first, as a history would write it: the
// same for all keys. It is nil for none.
func initial(text string, m *model, json bool) (*value, error) {
	if text == "" {
		return nil, nil
	}
	if m.name != "register" && m.name != "cas-register" {
		return nil, fmt.Errorf("an initial value %s is of registers only; this is a history of the model %s", text, m.name)
	}
	r := &ednReader{json: json, scanner: scanner{name: "the initial value", buf: []byte(text), end: len(text), line: 1}}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, more, err := r.significant(); err != nil || more {
		return nil, fmt.Errorf("the initial value is %s: expected one value, such as 0, \"\" or :none", text)
	}
	return &v, nil
}

// Begun is what registers would have to hold at first for all that was read of
// them to have been written: the one value that nobody wrote and that was read,
// or replaced by a compare-and-set. ok is false if there are none or several, and
// where the initial value was told.
func (i *Import) Begun() (v int64, ok bool) {
	if i.Log.Meta.Workloads[0].ActsOn() != history.ObjectRegister || i.Model == "kv" || i.Names.initial != "" {
		return 0, false
	}
	type content struct {
		key uint32
		v   int64
	}
	written := map[content]bool{}
	for n := range i.Log.Ops {
		if op := &i.Log.Ops[n]; op.Kind != history.Read {
			written[content{op.Key, op.Value}] = true
		}
	}
	for n := range i.Log.Ops {
		op := &i.Log.Ops[n]
		if op.Outcome != history.OK || op.Kind == history.Write {
			continue
		}
		seen := op.Value
		if op.Kind == history.CAS {
			seen = op.Old
		}
		if seen == history.Nil || written[content{op.Key, seen}] {
			continue
		}
		if ok && seen != v {
			return 0, false
		}
		v, ok = seen, true
	}
	return v, ok
}

// Begin exchanges a value with nil everywhere in the history: the one that
// registers hold at first becomes what checkers take that to be. Done twice, it
// changes nothing.
func (i *Import) Begin(v int64) {
	exchange := func(at *int64) {
		switch *at {
		case v:
			*at = history.Nil
		case history.Nil:
			*at = v
		}
	}
	for n := range i.Log.Ops {
		op := &i.Log.Ops[n]
		if op.Kind == history.Read && op.Outcome != history.OK {
			continue // it tells nothing
		}
		exchange(&op.Value)
		if op.Kind == history.CAS {
			exchange(&op.Old)
			if op.Flags&history.Seen != 0 {
				exchange(&op.Observed)
			}
		}
	}
}
