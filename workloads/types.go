package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// FieldInfo is one key of a workload's entry in a plan.
type FieldInfo struct {
	Name    string
	Default string
	Values  []string // the allowed words; nil: free form
	About   string   // one line
}

// TypeInfo describes a type of workload for `aftershock list workloads` and
// for validation.
type TypeInfo struct {
	Name   string
	About  string // one line
	Fields []FieldInfo
}

// entry is one row of the table of types.
type entry struct {
	info     TypeInfo
	defaults func(Spec) Spec
	build    func(Spec) (Workload, error) // of a spec with defaults applied
}

// table lists every type; a new workload is a file and a line here.
func table() []entry {
	return []entry{registerType(), setType(), queueType(), appendType(), bankType(), counterType(), idsType(), lagType()}
}

// Types describes every type of workload, in the table's order.
func Types() []TypeInfo {
	var infos []TypeInfo
	for _, e := range table() {
		infos = append(infos, e.info)
	}
	return infos
}

func find(name string) (entry, bool) {
	for _, e := range table() {
		if e.info.Name == name {
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
	spec.Mix = maps.Clone(spec.Mix)
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
	return e.defaults(spec)
}

// New makes a workload of spec with Defaults applied. It refuses what the type
// cannot do; the error names the workload, the field and the remedy.
func New(spec Spec) (Workload, error) {
	spec = Defaults(spec)
	e, ok := find(spec.Type)
	if !ok {
		return nil, fmt.Errorf("workload %q: unknown type %q; use one of %s", spec.Name, spec.Type, strings.Join(names(), ", "))
	}
	w, err := e.build(spec)
	if err != nil {
		return nil, fmt.Errorf("workload %q: %w", spec.Name, err)
	}
	return w, nil
}

func names() []string {
	var all []string
	for _, e := range table() {
		all = append(all, e.info.Name)
	}
	return all
}

// orDefault is v, or d where v is its type's zero value.
func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

var (
	readFroms     = []string{"primary", "replicas", "any"}
	distributions = []string{"uniform", "zipfian"}
)

// Bounds of what one workload may ask for.
const (
	maxKeys    = 1 << 20 // final reads of every key on every node, one by one
	maxClients = 1 << 12 // each may hold a connection to every node
	maxRate    = 1e8     // operations per second
	maxWeight  = 1 << 20
	maxKnown   = 1 << 24 // values remembered for CAS over all workers: 128 MiB
)

// checkLoad checks the fields that register, set and queue share.
func checkLoad(s Spec, operations []string) error {
	switch {
	case s.Keys < 1 || s.Keys > maxKeys:
		return fmt.Errorf("keys is %d; use 1 to %d", s.Keys, maxKeys)
	case s.Clients < 1 || s.Clients > maxClients:
		return fmt.Errorf("clients is %d; use 1 to %d", s.Clients, maxClients)
	case !(s.Rate >= 0 && s.Rate <= maxRate):
		return fmt.Errorf("rate is %g/s; use more than 0 and at most %g, or leave it out for a closed loop", s.Rate, float64(maxRate))
	case !slices.Contains(readFroms, s.ReadFrom):
		return fmt.Errorf("read_from is %q; use one of %s", s.ReadFrom, strings.Join(readFroms, ", "))
	case !slices.Contains(distributions, s.Distribution):
		return fmt.Errorf("distribution is %q; use one of %s", s.Distribution, strings.Join(distributions, ", "))
	case s.Every != 0:
		return fmt.Errorf("every is for the lag workload; use rate")
	}
	return checkMix(s.Mix, operations)
}

func checkMix(mix map[string]int, operations []string) error {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(mix)) {
		weight := mix[name]
		if !slices.Contains(operations, name) {
			return fmt.Errorf("mix names the operation %q; use %s", name, strings.Join(operations, ", "))
		}
		if weight < 0 || weight > maxWeight {
			return fmt.Errorf("mix gives %s the weight %d; use 0 to %d", name, weight, maxWeight)
		}
		total += weight
	}
	if total == 0 {
		return fmt.Errorf("mix has no operation with a weight above 0; give one of %s a weight", strings.Join(operations, ", "))
	}
	return nil
}
