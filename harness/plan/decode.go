package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// decoder turns a tree into a Plan. Each mistake is noted where it stands, and
// the field keeps its default.
type decoder struct {
	src   *source
	found []*Error
}

// wrong notes a mistake of a value, wrongKey one that is best shown at a key.
func (d *decoder) wrong(n *yamltree.Node, path, message, remedy string) {
	d.found = append(d.found, d.src.At(n.Place, path, message, remedy))
}

func (d *decoder) wrongKey(k *yamltree.Key, path, message, remedy string) {
	d.found = append(d.found, d.src.At(k.Place, path, message, remedy))
}

// plan reads a whole document.
func (d *decoder) plan(n *yamltree.Node) *Plan {
	p := &Plan{Name: d.src.defaultName, source: d.src, normal: true}
	slots := schema.Slots(planKeys(d.src.words), p)
	schema.Fill(slots)
	d.object(n, "", "the plan", "target: {name: ripple}", d.fields(slots))
	if _, stated := n.Child("duration"); !stated {
		p.durationOfLoad()
	}
	return p
}

// reader reads the value of one key.
type reader func(n *yamltree.Node, path string)

// field is one key that a map may have.
type field struct {
	name string
	read reader
}

// fields are the keys of a table.
func (d *decoder) fields(slots []schema.Slot) []field {
	fields := make([]field, len(slots))
	for i, s := range slots {
		fields[i] = field{s.Name, d.reader(s)}
	}
	return fields
}

// reader reads what a key's place can hold.
func (d *decoder) reader(s schema.Slot) reader {
	switch to := s.At.(type) {
	case []schema.Slot:
		return func(n *yamltree.Node, path string) {
			if d.open(n, path); n.Kind == yamltree.Scalar && s.Short != "" {
				d.short(n, path, s, to)
				return
			}
			d.object(n, path, s.Name, s.Sample(), d.fields(to))
		}
	case *[]string:
		return d.list(s, func(n *yamltree.Node, path string) {
			var text string
			d.single(schema.Slot{Field: schema.Field{Name: s.Name, Type: s.Of, Example: strings.Trim(s.Example, `[]"`)}, At: &text})(n, path)
			*to = append(*to, text)
		})
	case *[]workloads.Spec:
		return d.list(s, func(n *yamltree.Node, path string) { *to = append(*to, d.workload(n, path)) })
	case *[]pace.Phase:
		return d.list(s, func(n *yamltree.Node, path string) { *to = append(*to, d.loadPhase(n, path)) })
	case *[]faults.Spec:
		read := d.fault
		if s.Name == "pick" {
			read = d.picked
		}
		return d.list(s, func(n *yamltree.Node, path string) { *to = append(*to, read(n, path)) })
	case *[]Vary:
		return func(n *yamltree.Node, path string) { *to = d.vary(n, path, s.Field) }
	case *[]question.Decision:
		return d.list(s, func(n *yamltree.Node, path string) { *to = append(*to, d.decision(n, path)) })
	case *map[string]string:
		return func(n *yamltree.Node, path string) { *to = d.options(n, path, s.Field) }
	case *map[string]int:
		return func(n *yamltree.Node, path string) { *to = d.weights(n, path, s.Field) }
	default:
		return d.single(s)
	}
}

// single reads one value.
func (d *decoder) single(s schema.Slot) reader {
	return func(n *yamltree.Node, path string) {
		text, ok := d.scalar(n, path, s.Type.Wants(), s.Sample())
		if !ok {
			return
		}
		if m := s.Read(lastPart(path), text, n.Quoted); m != nil {
			d.wrong(n, path, m.Message, m.Remedy)
		}
	}
}

// short reads a single value in the place of a map: it is that of one of its keys.
func (d *decoder) short(n *yamltree.Node, path string, s schema.Slot, of []schema.Slot) {
	for _, key := range of {
		if key.Name != s.Short {
			continue
		}
		if m := key.Read(lastPart(path), n.Text, n.Quoted); m != nil {
			d.wrong(n, path, m.Message, m.Remedy)
		}
	}
}

// scalar checks that a node is a single value.
func (d *decoder) scalar(n *yamltree.Node, path, wants, example string) (string, bool) {
	key := lastPart(path)
	switch n.Kind {
	case yamltree.Scalar:
		return n.Text, true
	case yamltree.Failed:
	case yamltree.Null:
		d.wrong(n, path, key+" has no value", fmt.Sprintf("give it one, e.g. %s, or take it away", example))
	default:
		d.wrong(n, path, fmt.Sprintf("%s wants %s, not %s", key, wants, n.Kind), "e.g. "+example)
	}
	return "", false
}

// lastPart is the key that a path ends with, for messages; an entry of a list
// keeps the list's key before its number.
func lastPart(path string) string {
	dot := strings.LastIndexByte(path, '.')
	if dot >= 0 && schema.IsWhole(path[dot+1:]) {
		dot = strings.LastIndexByte(path[:dot], '.')
	}
	return path[dot+1:]
}

// open has a node be the list or the map in brackets that a path was set to.
func (d *decoder) open(n *yamltree.Node, path string) {
	if e := d.src.Open(n, path); e != nil {
		d.found = append(d.found, e)
	}
}

// isMap tells whether there is a map to read. A missing value is an empty map.
func (d *decoder) isMap(n *yamltree.Node, path, what, example string) bool {
	switch d.open(n, path); n.Kind {
	case yamltree.Map:
		return true
	case yamltree.Null, yamltree.Failed:
	default:
		d.wrong(n, path, fmt.Sprintf("%s wants a map, not %s", what, n.Kind), "e.g. "+example)
	}
	return false
}

// isEntry tells whether there is a map to read in a list, where nothing is not
// enough.
func (d *decoder) isEntry(n *yamltree.Node, path, what, example string) bool {
	if n.Kind == yamltree.Null {
		d.wrong(n, path, fmt.Sprintf("%s wants a map, not %s", what, n.Kind), "e.g. "+example)
	}
	return d.isMap(n, path, what, example)
}

// object reads a map with exactly these keys.
func (d *decoder) object(n *yamltree.Node, path, what, example string, fields []field) {
	if !d.isMap(n, path, what, example) {
		return
	}
	names := make([]string, len(fields))
	known := make(map[string]reader, len(fields))
	for i, f := range fields {
		names[i], known[f.name] = f.name, f.read
	}
	for i := range n.Keys {
		k := &n.Keys[i]
		read, ok := known[k.Name]
		if !ok {
			d.wrongKey(k, schema.Join(path, k.Name), fmt.Sprintf("unknown key %q in %s", spelling.Short(k.Name), what), spelling.DidYouMean(k.Name, names))
			continue
		}
		if k.Value.Kind == yamltree.Null {
			k.Value.Place = k.Place // what is not there is best shown by its key
		}
		read(k.Value, schema.Join(path, k.Name))
	}
}

// list reads a list of a bounded length. A missing value is an empty list.
func (d *decoder) list(s schema.Slot, read reader) reader {
	return func(n *yamltree.Node, path string) {
		switch d.open(n, path); {
		case n.Kind == yamltree.Null || n.Kind == yamltree.Failed:
		case n.Kind != yamltree.List:
			d.wrong(n, path, fmt.Sprintf("%s wants a list, not %s", lastPart(path), n.Kind), "e.g. "+s.Example)
		case len(n.Items) > int(s.Max):
			d.wrong(n, path, fmt.Sprintf("%s has %d entries", lastPart(path), len(n.Items)), fmt.Sprintf("at most %.0f are possible", s.Max))
		default:
			for i, item := range n.Items {
				read(item, schema.Join(path, strconv.Itoa(i)))
			}
		}
	}
}

// options reads a map of any names to single values.
func (d *decoder) options(n *yamltree.Node, path string, f schema.Field) map[string]string {
	if !d.isMap(n, path, f.Name, f.Example) {
		return nil
	}
	options := make(map[string]string, len(n.Keys))
	for i := range n.Keys {
		k := &n.Keys[i]
		at := schema.Join(path, k.Name)
		switch k.Value.Kind {
		case yamltree.Failed:
		case yamltree.Scalar:
			options[k.Name] = k.Value.Text
		case yamltree.Null:
			d.wrongKey(k, at, fmt.Sprintf("%s %s has no value", entryOf(f), spelling.Short(k.Name)), "give it one or take it away")
		default:
			d.wrong(k.Value, at, fmt.Sprintf("%s %s wants a single value, not %s", entryOf(f), spelling.Short(k.Name), k.Value.Kind), "write one word, number or text")
		}
	}
	return options
}

// entryOf is what messages call an entry of a map of any names.
func entryOf(f schema.Field) string { return strings.TrimSuffix(f.Name, "s") }

// weights reads a map of a few words, or of any, to whole numbers.
func (d *decoder) weights(n *yamltree.Node, path string, f schema.Field) map[string]int {
	if len(f.Words) == 0 {
		for _, k := range n.Keys {
			f.Words = append(f.Words, k.Name)
		}
	}
	values := make([]int, len(f.Words))
	given := map[string]int{}
	var fields []field
	for i, word := range f.Words {
		read := d.single(schema.Slot{Field: schema.Field{Name: word, Type: f.Of, Min: f.Min, Max: f.Max, Example: "50"}, At: &values[i]})
		fields = append(fields, field{word, func(n *yamltree.Node, path string) {
			read(n, path)
			given[word] = values[i]
		}})
	}
	d.object(n, path, f.Name, f.Sample(), fields)
	return given
}
