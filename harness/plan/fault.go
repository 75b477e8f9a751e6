package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// All of the plan language that is about faults stands here, but for the rows
// of faultKeys and pickKeys: what a fault does comes from its kind.

const (
	faultExample = "{at: 3s, kill: primary, for: 2s}"
	pickExample  = "{kill: primary, for: 2s}"
)

// fault reads one entry of faults.
func (d *decoder) fault(n *yamltree.Node, path string) faults.Spec {
	s := faults.Spec{}
	if !d.isEntry(n, path, "a fault", faultExample) {
		return s
	}
	kinds := &faultKinds{d: d, spec: &s}
	d.object(n, path, "a fault", faultExample, append(d.fields(schema.Slots(faultKeys(), &s)), kinds.fields()...))
	_, at := n.Child("at")
	_, every := n.Child("every")
	pick, hasPick := n.Child("pick")
	switch {
	case !at && !every:
		d.wrong(n, path, "the fault does not say when", "add at: 3s, or every: 5s")
	case every && !hasPick && kinds.seen == "":
		d.wrong(n, path, "a fault that repeats says neither what it does nor what to pick from", "e.g. {every: 5s, kill: primary, for: 2s} or {every: 5s, pick: [{kill: primary, for: 2s}]}")
	case every && hasPick && kinds.seen != "":
		d.wrong(n, path, fmt.Sprintf("%s stands beside pick", kinds.seen), "move it into pick")
	case every && !hasPick:
	case every && pick.Value.Kind == yamltree.List && len(pick.Value.Items) == 0, every && pick.Value.Kind == yamltree.Null:
		d.wrongKey(pick, schema.Join(path, "pick"), "pick is empty", "list the faults to choose from, e.g. [{kill: primary, for: 2s}]")
	case !every && hasPick:
		d.wrongKey(pick, schema.Join(path, "pick"), "pick is for faults that repeat", "add every: 5s in place of at")
	case !every:
		kinds.needed(n, path)
	}
	return s
}

// picked reads one entry of a pick.
func (d *decoder) picked(n *yamltree.Node, path string) faults.Spec {
	s := faults.Spec{}
	if !d.isEntry(n, path, "a pick", pickExample) {
		return s
	}
	kinds := &faultKinds{d: d, spec: &s}
	d.object(n, path, "a pick", pickExample, append(d.fields(schema.Slots(pickKeys(), &s)), kinds.fields()...))
	kinds.needed(n, path)
	return s
}

// faultKinds reads what one fault does: exactly one kind is possible.
type faultKinds struct {
	d    *decoder
	spec *faults.Spec
	seen string
}

func (k *faultKinds) fields() []field {
	var fields []field
	for _, info := range faults.Kinds() {
		kind, _ := faults.Lookup(info.Name)
		fields = append(fields, field{kind.Name, func(n *yamltree.Node, path string) {
			if k.seen != "" {
				k.d.wrong(n, path, fmt.Sprintf("a fault does one thing, and this is both %s and %s", k.seen, kind.Name), "make two faults of it")
				return
			}
			k.seen, k.spec.Kind = kind.Name, kind.Name
			if hasMap(kind) {
				k.d.open(n, path)
			}
			switch {
			case !hasMap(kind), n.Kind == yamltree.Scalar && kind.Alone == victimKey(kind):
				k.text(&k.spec.Victim, kind.Victims[0])(n, path)
			case n.Kind == yamltree.Scalar && kind.Alone != "":
				for _, slot := range schema.Slots(kind.Keys, k.spec) {
					if slot.Name == kind.Alone {
						k.d.single(slot)(n, path)
					}
				}
			default:
				k.settings(n, path, kind)
			}
		}})
	}
	return fields
}

// hasMap tells whether more can be said of a kind than its victim.
func hasMap(kind faults.Kind) bool { return kind.Shapes != nil || kind.Keys != nil }

func kindNames() []string {
	var names []string
	for _, kind := range faults.Kinds() {
		names = append(names, kind.Name)
	}
	return names
}

// victimKey is the key of a victim in a kind's map where no shape is it.
func victimKey(kind faults.Kind) string { return cmp.Or(kind.VictimKey, "of") }

// mapExample is a kind's map with its victim alone, or with what else it needs.
func mapExample(kind faults.Kind) string {
	for _, key := range kind.Keys {
		if key.Required && kind.Usual != "" {
			return fmt.Sprintf("{%s: %s, %s: %s}", key.Name, key.Sample(), victimKey(kind), kind.Usual)
		}
	}
	if kind.Shapes != nil {
		return fmt.Sprintf("{%s: %s}", kind.Shapes[0].Name, kind.Shapes[0].Victims[0])
	}
	needed := ""
	for _, key := range kind.Keys {
		if key.Required {
			needed += fmt.Sprintf(", %s: %s", key.Name, key.Sample())
		}
	}
	return fmt.Sprintf("{%s: %s%s}", victimKey(kind), kind.Victims[0], needed)
}

// text reads a word that is checked when the nodes are known.
func (k *faultKinds) text(into *string, example string) reader {
	return k.d.single(schema.Slot{Field: schema.Field{Type: schema.Text, Example: example}, At: into})
}

// needed reports a fault that does nothing.
func (k *faultKinds) needed(n *yamltree.Node, path string) {
	if k.seen != "" {
		return
	}
	names := kindNames()
	for _, key := range n.Keys {
		if _, near := spelling.Nearest(key.Name, names); near && key.Name != "at" {
			return // the unknown key has been told already
		}
	}
	k.d.wrong(n, path, "the fault does nothing", "add one of "+strings.Join(names, ", "))
}

// settings read the map of a kind: {shape: victim, …} or {victim: …, …}.
func (k *faultKinds) settings(n *yamltree.Node, path string, kind faults.Kind) {
	if n.Kind == yamltree.Failed {
		return
	}
	holds, remedy := "its victim", "e.g. "+mapExample(kind)
	if kind.Shapes != nil {
		holds = "a shape and its victim"
		remedy += "; the shapes are " + strings.Join(shapeNames(kind), ", ")
	}
	if n.Kind != yamltree.Map {
		k.d.wrong(n, path, fmt.Sprintf("%s wants a map of %s, not %s", kind.Name, holds, n.Kind), remedy)
		return
	}
	fields := []field{{victimKey(kind), k.text(&k.spec.Victim, kind.Victims[0])}}
	if kind.Shapes != nil {
		fields = k.shapes(kind)
	}
	for _, slot := range schema.Slots(kind.Keys, k.spec) {
		if slot.Type == schema.Word {
			slot.Type = schema.Text // what its words are can depend on the shape: faults.Validate knows
		}
		fields = append(fields, k.d.fields([]schema.Slot{slot})...)
	}
	before := len(k.d.found)
	k.d.object(n, path, kind.Name, mapExample(kind), fields)
	if kind.Shapes != nil && k.spec.Shape == "" && len(k.d.found) == before {
		k.d.wrong(n, path, fmt.Sprintf("the %s has no shape", kind.Name), remedy)
	}
}

// shapes are the keys of a kind's shapes. A key is a shape, and its value the
// victim.
func (k *faultKinds) shapes(kind faults.Kind) []field {
	var fields []field
	for _, shape := range kind.Shapes {
		fields = append(fields, field{shape.Name, func(n *yamltree.Node, path string) {
			if k.spec.Shape != "" {
				k.d.wrong(n, path, fmt.Sprintf("a %s has one shape, and this has both %s and %s", kind.Name, k.spec.Shape, shape.Name), "make two faults of it")
				return
			}
			k.spec.Shape = shape.Name
			if n.Kind != yamltree.Null || !shape.Optional {
				k.text(&k.spec.Victim, shape.Victims[0])(n, path)
			}
		}})
	}
	return fields
}

func shapeNames(kind faults.Kind) []string {
	var names []string
	for _, s := range kind.Shapes {
		names = append(names, s.Name)
	}
	return names
}

// faultNode writes a fault, and with it when it is.
func faultNode(s faults.Spec) ast.Node {
	at := pair("at", scalarNode(schema.SpellDuration(s.At)))
	if s.Every == 0 {
		return flowMap(append([]*ast.MappingValueNode{at}, actionPairs(s)...))
	}
	pairs := []*ast.MappingValueNode{pair("every", scalarNode(schema.SpellDuration(s.Every)))}
	if s.At > 0 {
		pairs = append(pairs, at)
	}
	if len(s.Pick) == 0 {
		return flowMap(append(pairs, actionPairs(s)...))
	}
	pairs = append(pairs, pair("pick", flowList(s.Pick, func(s faults.Spec) ast.Node { return flowMap(actionPairs(s)) })))
	return flowMap(append(pairs, actionPairs(s)...))
}

// actionPairs write what a fault does, and for how long.
func actionPairs(s faults.Spec) []*ast.MappingValueNode {
	var pairs []*ast.MappingValueNode
	kind, _ := faults.Lookup(s.Kind)
	switch {
	case s.Kind == "":
	case !hasMap(kind), kind.Alone == victimKey(kind) && !slices.ContainsFunc(schema.Slots(kind.Keys, &s), func(slot schema.Slot) bool { return !slot.Empty() }):
		pairs = append(pairs, pair(s.Kind, scalarNode(s.Victim)))
	default:
		var settings []*ast.MappingValueNode
		if s.Victim != "" || kind.Usual == "" {
			settings = append(settings, pair(cmp.Or(s.Shape, victimKey(kind)), scalarNode(s.Victim)))
		}
		for _, slot := range schema.Slots(kind.Keys, &s) {
			if !slot.Empty() {
				settings = append(settings, pair(slot.Name, settingNode(slot)))
			}
		}
		pairs = append(pairs, pair(s.Kind, flowMap(settings)))
	}
	if s.For > 0 {
		pairs = append(pairs, pair("for", scalarNode(schema.SpellDuration(s.For))))
	}
	if s.Process != "" {
		pairs = append(pairs, pair("process", scalarNode(s.Process)))
	}
	return pairs
}

// settingNode writes a key of a kind in one line.
func settingNode(s schema.Slot) ast.Node {
	if words, ok := s.At.(*[]string); ok {
		return flowList(*words, func(text string) ast.Node { return scalarNode(text) })
	}
	return valueNode(s)
}

// actionFields are the keys for what a fault does.
func actionFields() []schema.Field {
	var fields []schema.Field
	for _, info := range faults.Kinds() {
		kind, _ := faults.Lookup(info.Name)
		f := schema.Field{Name: kind.Name, Type: schema.Word, Words: kind.Victims, Names: true, Either: true, Meaning: kind.About}
		if hasMap(kind) {
			f.Type, f.Words, f.Names, f.Example = schema.Map, nil, false, mapExample(kind)
			f.Short = kind.Alone
			f.Fields = append(victimFields(kind), schema.Fields(kind.Keys)...)
		}
		fields = append(fields, f)
	}
	return fields
}

// victimFields are the keys that can hold the victim in a kind's map.
func victimFields(kind faults.Kind) []schema.Field {
	if kind.Shapes == nil {
		return []schema.Field{{Name: victimKey(kind), Type: schema.Word, Words: kind.Victims, Names: true, Required: kind.Usual == "", Default: kind.Usual, Meaning: "whom it hits"}}
	}
	var fields []schema.Field
	for _, s := range kind.Shapes {
		f := schema.Field{Name: s.Name, Type: schema.Word, Words: s.Victims, Names: !s.Everyone, Either: true, Meaning: s.About}
		if s.Optional {
			f.Default = s.Victims[0]
		}
		fields = append(fields, f)
	}
	return fields
}

// checkWAN holds the plan's distances to its nodes and the regions that are known.
func (p *Plan) checkWAN() []*Error {
	switch {
	case len(p.WAN) == 0:
		return nil
	case p.Target.Attach.Asked():
		return []*Error{p.wrong("wan", "a deployment that somebody else runs is where it is", "take wan away, or use faults with link")}
	}
	var found []*Error
	_, wrong := faults.ParseWAN(p.WAN, p.NodeNames())
	for _, m := range wrong {
		path := "wan"
		if m.Key != "" {
			path = schema.Join(path, m.Key)
		}
		found = append(found, p.wrong(path, m.Message, m.Remedy))
	}
	return found
}
