package workloads

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
)

// TypeInfo describes a type of workload for `aftershock list workloads` and
// for validation.
type TypeInfo struct {
	Name   string             `json:"name"`
	About  string             `json:"about"`  // one line
	Object history.Object     `json:"object"` // what its operations act on
	Keys   []schema.Key[Spec] `json:"keys"`   // what a plan can say of it, besides name and type
}

// entry is one row of the table of types.
type entry struct {
	TypeInfo
	implied Spec                         // the values that every such workload has, of what a plan cannot say
	build   func(Spec) (Workload, error) // of a spec with defaults applied
}

// table lists every type; it is made once, and is not to be changed.
func table() []entry {
	tableOnce.Do(func() { tableMade = makeTable() })
	return tableMade
}

var (
	tableOnce sync.Once
	tableMade []entry
)

// makeTable makes the table; a new workload is a file and a line here.
func makeTable() []entry {
	all := []entry{registerType(), setType(), queueType(), appendType(), bankType(), counterType(), idsType(), lagType()}
	all = append(all, ycsbTypes()...)
	for i := range all {
		if slices.ContainsFunc(all[i].Keys, func(k schema.Key[Spec]) bool { return k.Name == "rate" }) {
			all[i].Keys = append(append(all[i].Keys, pipelineKey()), paced()...)
		}
	}
	return all
}

// Types describes every type of workload, in the table's order.
func Types() []TypeInfo {
	var infos []TypeInfo
	for _, e := range table() {
		infos = append(infos, e.TypeInfo)
	}
	return infos
}

// ObjectOf is what the operations of a type of workload act on; empty for a type
// that is not known.
func ObjectOf(typ string) history.Object {
	e, _ := find(typ)
	return e.Object
}

func find(name string) (entry, bool) {
	for _, e := range table() {
		if e.Name == name {
			return e, true
		}
	}
	return entry{}, false
}

// Defaults fills in what spec leaves out: the type from the name, the name
// from the type, then the type's own values. A mix that is given is taken
// whole: operations it does not name weigh nothing. An unknown type is
// returned unchanged; New refuses it. Applying Defaults twice changes nothing
// more, and spec's own map is never shared.
func Defaults(spec Spec) Spec {
	spec.Mix, spec.Load = maps.Clone(spec.Mix), Named(spec.Load)
	spec.Value.Sizes = maps.Clone(spec.Value.Sizes)
	if spec.Type == "" {
		spec.Type = spec.Name
	}
	if spec.Name == "" {
		spec.Name = spec.Type
	}
	e, ok := find(spec.Type)
	if !ok {
		return spec
	}
	if len(spec.Mix) == 0 {
		spec.Mix = maps.Clone(e.implied.Mix)
	}
	spec.Keys = cmp.Or(spec.Keys, e.implied.Keys)
	spec.ReadFrom = cmp.Or(spec.ReadFrom, e.implied.ReadFrom)
	spec.Distribution = cmp.Or(spec.Distribution, e.implied.Distribution)
	if spec.Value.None() {
		spec.Value = e.implied.Value
	}
	schema.Fill(schema.Slots(e.Keys, &spec))
	return spec
}

// New makes a workload of spec with Defaults applied. It refuses what the type
// cannot do; the error names the workload, the field and the remedy.
func New(spec Spec) (Workload, error) {
	spec = Defaults(spec)
	e, ok := find(spec.Type)
	if !ok {
		return nil, fmt.Errorf("workload %q: unknown type %q; use one of %s", spec.Name, spec.Type, strings.Join(names(), ", "))
	}
	if err := checkPaced(spec); err != nil {
		return nil, fmt.Errorf("workload %q: %w", spec.Name, err)
	}
	build := e.build
	if Paced(spec.Type) && spec.Pipeline != 0 {
		build = func(s Spec) (Workload, error) { return newPipelined(s, e.build) }
	}
	w, err := build(spec)
	if err != nil {
		return nil, fmt.Errorf("workload %q: %w", spec.Name, err)
	}
	return w, nil
}

func names() []string {
	var all []string
	for _, e := range table() {
		all = append(all, e.Name)
	}
	return all
}
