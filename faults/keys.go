package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/schema"
)

// Defaults spells out what a kind takes where the spec, or its Pick, says
// nothing. It changes nothing the second time.
func Defaults(spec Spec) Spec {
	spec.Pick = slices.Clone(spec.Pick)
	for i, one := range spec.Pick {
		spec.Pick[i] = Defaults(one)
	}
	k, _ := Lookup(spec.Kind)
	spec.Victim = cmp.Or(spec.Victim, k.Usual)
	if k.fill != nil {
		k.fill(&spec)
	} else {
		schema.Fill(schema.Slots(k.Keys, &spec))
	}
	return spec
}

// setsKey tells whether a spec sets a key of any kind.
func setsKey(spec Spec) bool {
	for _, k := range table() {
		if slices.ContainsFunc(schema.Slots(k.Keys, &spec), func(s schema.Slot) bool { return !s.Empty() }) {
			return true
		}
	}
	return false
}

// checkKeys holds what is set of a kind's keys to their fields.
func checkKeys(spec Spec, k Kind) error {
	for _, s := range schema.Slots(k.Keys, &spec) {
		if s.Empty() {
			if s.Required {
				return fmt.Errorf("it has no %s; use e.g. %s: %s", s.Name, s.Name, s.Sample())
			}
			continue
		}
		if wrong := s.Check(s.Name); wrong != nil {
			return fmt.Errorf("%s; %s", wrong.Message, wrong.Remedy)
		}
	}
	return nil
}

// checkForeignKeys refuses a shape of a kind without shapes, and what only
// another kind's keys can set.
func checkForeignKeys(spec Spec, k Kind) error {
	own := map[any]bool{}
	for _, s := range schema.Slots(k.Keys, &spec) {
		own[s.At] = true
	}
	for _, other := range table() {
		var names []string
		foreign := false
		if other.Shapes != nil {
			names = append(names, "shape")
			foreign = spec.Shape != "" && k.Shapes == nil
		}
		for _, s := range schema.Slots(other.Keys, &spec) {
			names = append(names, s.Name)
			foreign = foreign || !own[s.At] && !s.Empty()
		}
		if foreign {
			return fmt.Errorf("%s belong to a %s, not to a %s: leave them out", list(names), other.Name, k.Name)
		}
	}
	return nil
}

// list is "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
