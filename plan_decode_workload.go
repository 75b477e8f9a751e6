package aftershock

import (
	"github.com/aftershock-chaos/aftershock/internal/spelling"

	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/workloads"
)

// workload reads one entry of workloads. Which keys it may have depends on its
// type, which is its name where no type is given.
func (d *decoder) workload(n *treeNode, path string) workloads.Spec {
	var s workloads.Spec
	if n.kind == treeFailed {
		return s
	}
	if n.kind != treeMap {
		d.wrong(n, path, fmt.Sprintf("a workload wants a map, not %s", n.kind), "e.g. {name: register, rate: 2000/s}")
		return s
	}
	info, ok := d.workloadType(n, path)
	if !ok {
		return s
	}
	s.Type = info.Name
	fields := []field{
		{"name", d.text(&s.Name, info.Name)},
		{"type", func(*treeNode, string) {}},
	}
	for _, f := range info.Fields {
		fields = append(fields, field{f.Name, d.workloadField(&s, f)})
	}
	d.object(n, path, "the workload "+info.Name, "{name: register}", fields...)
	return s
}

// workloadType finds the type; the error stands at the word that is wrong.
func (d *decoder) workloadType(n *treeNode, path string) (workloads.TypeInfo, bool) {
	types := workloads.Types()
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	key, ok := n.child("type")
	if !ok {
		key, ok = n.child("name")
	}
	if !ok {
		d.wrong(n, path, "the workload has no name", "add name: "+strings.Join(names, ", name: ")+", or one of your own with a type")
		return workloads.TypeInfo{}, false
	}
	word, ok := d.scalar(key.value, join(path, key.name), "one word", names[0])
	if !ok {
		return workloads.TypeInfo{}, false
	}
	for _, t := range types {
		if t.Name == word {
			return t, true
		}
	}
	message, remedy := fmt.Sprintf("unknown workload type %q", shorten(word)), spelling.DidYouMean(word, names)
	if key.name == "name" {
		message = fmt.Sprintf("unknown workload %q", shorten(word))
		if _, near := spelling.Nearest(word, names); !near {
			remedy = "give it a type besides its own name: " + strings.Join(names, ", ")
		}
	}
	d.wrong(key.value, join(path, key.name), message, remedy)
	return workloads.TypeInfo{}, false
}

// workloadField is the reader of one of a type's fields.
func (d *decoder) workloadField(s *workloads.Spec, f workloads.FieldInfo) reader {
	switch f.Name {
	case "keys":
		return d.number(&s.Keys, keysSpan, f.Default)
	case "clients":
		return d.number(&s.Clients, clientsSpan, f.Default)
	case "rate":
		return d.rate(&s.Rate)
	case "every":
		return d.duration(&s.Every, lengthSpan)
	case "read_from":
		return d.word(&s.ReadFrom, f.Values)
	case "distribution":
		return d.word(&s.Distribution, f.Values)
	case "mix":
		return func(n *treeNode, path string) { s.Mix = d.mix(n, path, f) }
	}
	return func(n *treeNode, path string) {
		d.wrong(n, path, fmt.Sprintf("the key %s cannot be read from a plan", f.Name), "take it away")
	}
}

func (d *decoder) mix(n *treeNode, path string, f workloads.FieldInfo) map[string]int {
	weights := make([]int, len(f.Values))
	given := map[string]int{}
	var fields []field
	for i, operation := range f.Values {
		fields = append(fields, field{operation, func(n *treeNode, path string) {
			d.number(&weights[i], weightSpan, "50")(n, path)
			given[operation] = weights[i]
		}})
	}
	d.object(n, path, "mix", f.Default, fields...)
	return given
}
