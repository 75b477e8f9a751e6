package foreign

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// surveyed is what a history's entries mean.
type surveyed struct {
	model *model
	keyed bool // values are [key value]
	timed bool // entries have times, which agree with the order of the lines
	base  int64
	// contradiction says how times contradict the order of the lines, if they are
	// told and not timed.
	contradiction string
	meta          *history.Meta // of a history that Export wrote

	options Options
	initial *value // what registers hold at first; nil: nothing
}

// evidence is what the entries so far tell of the model and of keys.
type evidence struct {
	functions map[string]int // line of the first
	lists     bool           // a read answered many values
	numbers   bool           // a read answered one value
	keyed     truth
	perhaps   bool // written values are lists of two
	keys      bool // entries have :key
	clients   int
}

// truth is a three-valued answer.
type truth int8

const (
	unknown truth = iota
	yes
	no
)

// survey reads entries until their meaning is known, at most all.
func survey(events source, name string, o Options) (surveyed, error) {
	s := surveyed{options: o}
	if o.Model != "" {
		if s.model = findModel(o.Model); s.model == nil {
			return s, fmt.Errorf("unknown model %q; the models are %s", o.Model, ModelNames())
		}
	}
	v := evidence{functions: map[string]int{}}
	for first := true; ; first = false {
		e, err := events.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, err
		}
		if first {
			s.timed, s.base = true, baseOf(e)
		}
		if x := e.extra(); x != nil && x.Meta != nil {
			if m := modelOf(x.Meta.Workloads[0].ActsOn()); m != nil {
				s.model, s.keyed, s.meta = m, x.Keyed, x.Meta
				return s, nil
			}
		}
		if e.bystander || ignored[string(e.function)] {
			continue
		}
		v.add(e)
		if s.model == nil {
			s.model = v.model()
		}
		if s.model != nil && v.decided() {
			break
		}
	}
	if s.model == nil {
		if s.model = v.model(); s.model == nil {
			return s, v.ambiguous(name)
		}
	}
	if v.clients == 0 {
		return s, fmt.Errorf("%s: it holds no operation of a client that can be judged", name)
	}
	s.keyed = v.keyed == yes || v.keyed == unknown && v.perhaps
	return s, nil
}

// longEpoch tells times since 1970 from times since a test began.
const longEpoch = int64(10 * 24 * 3600e9)

// baseOf is what to subtract from times, given the first: those since 1970
// begin at 0, and so do those below 0.
func baseOf(e *entry) int64 {
	if e.time > longEpoch || e.time < 0 {
		return e.time
	}
	return 0
}

// mostFunctions bounds the functions that are told apart.
const mostFunctions = 100

func (v *evidence) add(e *entry) {
	v.clients++
	if e.transaction() {
		e.function = txnFunction
	}
	if _, known := v.functions[string(e.function)]; !known && len(v.functions) < mostFunctions {
		v.functions[string(e.function)] = e.line
	}
	if e.hasKey {
		v.keys, v.keyed = true, no
	}
	asked := e.kind == invoke
	switch string(e.function) {
	case "read", "get", "dequeue", "drain":
		switch {
		case asked && e.value.pair() && e.value.items[1].shape == nothing:
			v.keyed = yes
		case asked && v.keyed == unknown:
			v.keyed = no
		case e.kind == succeed:
			told := &e.value
			if v.keyed == yes && told.pair() {
				told = &told.items[1]
			}
			v.lists = v.lists || told.many()
			v.numbers = v.numbers || !told.many() && told.shape != nothing
		}
	case "cas":
		if asked && v.keyed == unknown && e.value.pair() {
			v.keyed = no
			if e.value.items[1].pair() {
				v.keyed = yes
			}
		}
	case "txn", "generate":
		v.keyed = no
	default:
		if asked && v.keyed == unknown {
			if e.value.pair() {
				v.perhaps = true
			} else {
				v.keyed = no
			}
		}
	}
}

// decided tells whether it is known if values have keys.
func (v *evidence) decided() bool { return v.keyed != unknown }

func (v *evidence) has(functions ...string) bool {
	for _, f := range functions {
		if _, ok := v.functions[f]; ok {
			return true
		}
	}
	return false
}

// model is the one that the evidence allows, nil while there are several.
func (v *evidence) model() *model {
	switch {
	case v.has("cas", "write"):
		return findModel("cas-register")
	case v.has("get", "put") || v.keys && v.has("append"):
		return findModel("kv")
	case v.has("enqueue", "dequeue", "drain"):
		return findModel("queue")
	case v.has("txn"):
		return findModel("append")
	case v.has("generate"):
		return findModel("unique-ids")
	case v.has("increment", "inc", "decrement", "dec"):
		return findModel("counter")
	case v.has("broadcast"), v.has("add") && v.lists:
		return findModel("set")
	case v.has("add") && v.numbers:
		return findModel("counter")
	}
	return nil
}

// ambiguous says what is missing.
func (v *evidence) ambiguous(name string) error {
	var functions []string
	for f, line := range v.functions {
		if why := notSupported[f]; why != "" {
			return errorAt(name, line, "%s", why)
		}
		functions = append(functions, ":"+f)
	}
	if len(functions) == 0 {
		return fmt.Errorf("%s: it holds no operation of a client that can be judged", name)
	}
	could := ModelNames()
	switch {
	case v.has("add"):
		could = "set, counter"
	case v.has("read") && v.lists:
		could = "set"
	case v.has("read"):
		could = "register, cas-register, counter, set"
	}
	slices.Sort(functions)
	return fmt.Errorf("%s: operations %s do not tell what they are about; say it with --model, one of: %s",
		name, strings.Join(functions, ", "), could)
}
