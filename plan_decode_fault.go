package aftershock

import (
	"github.com/aftershock-chaos/aftershock/internal/spelling"

	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
)

const faultExample = "{at: 3s, kill: primary, for: 2s}"

// fault reads one entry of faults.
func (d *decoder) fault(n *treeNode, path string) faults.Spec {
	s := faults.Spec{Line: n.line}
	if n.kind == treeFailed {
		return s
	}
	if n.kind != treeMap {
		d.wrong(n, path, fmt.Sprintf("a fault wants a map, not %s", n.kind), "e.g. "+faultExample)
		return s
	}
	kinds := &faultKinds{d: d, spec: &s}
	fields := append([]field{
		{"at", d.duration(&s.At, pauseSpan)},
		{"for", d.duration(&s.For, lengthSpan)},
		{"every", d.duration(&s.Every, lengthSpan)},
		{"pick", d.list(maxFaults, "[{kill: primary, for: 2s}]", func(n *treeNode, path string) {
			s.Pick = append(s.Pick, d.picked(n, path))
		})},
	}, kinds.fields()...)
	d.object(n, path, "a fault", faultExample, fields...)
	_, at := n.child("at")
	_, every := n.child("every")
	pick, hasPick := n.child("pick")
	switch {
	case !at && !every:
		d.wrong(n, path, "the fault does not say when", "add at: 3s, or every: 5s and pick")
	case every && !hasPick:
		d.wrong(n, path, "a fault that repeats chooses from pick, which is not there", "e.g. {every: 5s, pick: [{kill: primary, for: 2s}]}")
	case every && kinds.seen != "":
		d.wrong(n, path, fmt.Sprintf("%s stands beside every", kinds.seen), "move it into pick")
	case every && pick.value.kind == treeList && len(pick.value.items) == 0, every && pick.value.kind == treeNull:
		d.found = append(d.found, d.src.at(pick.place, join(path, "pick"), "pick is empty", "list the faults to choose from, e.g. [{kill: primary, for: 2s}]"))
	case !every && hasPick:
		d.found = append(d.found, d.src.at(pick.place, join(path, "pick"), "pick is for faults that repeat", "add every: 5s in place of at"))
	case !every:
		kinds.needed(n, path)
	}
	return s
}

// picked reads one entry of a pick.
func (d *decoder) picked(n *treeNode, path string) faults.Spec {
	s := faults.Spec{Line: n.line}
	if n.kind == treeFailed {
		return s
	}
	if n.kind != treeMap {
		d.wrong(n, path, fmt.Sprintf("a pick wants a map, not %s", n.kind), "e.g. {kill: primary, for: 2s}")
		return s
	}
	kinds := &faultKinds{d: d, spec: &s}
	d.object(n, path, "a pick", "{kill: primary, for: 2s}",
		append([]field{{"for", d.duration(&s.For, lengthSpan)}}, kinds.fields()...)...)
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
	for _, kind := range faults.Kinds() {
		fields = append(fields, field{kind.Name, func(n *treeNode, path string) {
			if k.seen != "" {
				k.d.wrong(n, path, fmt.Sprintf("a fault does one thing, and this is both %s and %s", k.seen, kind.Name), "make two faults of it")
				return
			}
			k.seen, k.spec.Kind = kind.Name, kind.Name
			if kind.Shapes == nil {
				k.d.text(&k.spec.Victim, kind.Victims[0])(n, path)
				return
			}
			k.partition(n, path, kind.Shapes)
		}})
	}
	return fields
}

// needed reports a fault that does nothing.
func (k *faultKinds) needed(n *treeNode, path string) {
	if k.seen != "" {
		return
	}
	var names []string
	for _, kind := range faults.Kinds() {
		names = append(names, kind.Name)
	}
	for _, key := range n.keys {
		if _, near := spelling.Nearest(key.name, names); near && key.name != "at" {
			return // the unknown key has been told already
		}
	}
	k.d.wrong(n, path, "the fault does nothing", "add one of "+strings.Join(names, ", "))
}

// partition reads {shape: victim, from: …, direction: …}.
func (k *faultKinds) partition(n *treeNode, path string, shapes []faults.ShapeInfo) {
	const example = "{isolate: primary}"
	var names []string
	for _, s := range shapes {
		names = append(names, s.Name)
	}
	if n.kind == treeFailed {
		return
	}
	if n.kind != treeMap {
		k.d.wrong(n, path, fmt.Sprintf("partition wants a map of a shape and its victim, not %s", n.kind),
			"e.g. "+example+"; the shapes are "+strings.Join(names, ", "))
		return
	}
	var fields []field
	for _, shape := range shapes {
		fields = append(fields, field{shape.Name, func(n *treeNode, path string) {
			if k.spec.Shape != "" {
				k.d.wrong(n, path, fmt.Sprintf("a partition has one shape, and this has both %s and %s", k.spec.Shape, shape.Name), "make two faults of it")
				return
			}
			k.spec.Shape = shape.Name
			if n.kind != treeNull || !shape.Optional {
				k.d.text(&k.spec.Victim, shape.Victims[0])(n, path)
			}
		}})
	}
	fields = append(fields, field{"from", k.d.text(&k.spec.From, faults.FromClients)},
		field{"direction", k.d.text(&k.spec.Direction, faults.In)})
	before := len(k.d.found)
	k.d.object(n, path, "partition", example, fields...)
	if k.spec.Shape == "" && len(k.d.found) == before {
		k.d.wrong(n, path, "the partition has no shape", "e.g. "+example+"; the shapes are "+strings.Join(names, ", "))
	}
}
