package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// maxOverride bounds an override's text.
const maxOverride = 4096

// Override replaces or adds one value of a plan before it is decoded, so that it is
// checked like any other.
type Override struct {
	// Path names the value by keys and list indexes from 0, separated by
	// dots: "target.replicas", "faults.0.at", "target.options.replication". A
	// workload may be named in place of its index: "workloads.register.rate".
	Path string
	// Value is the value as it would be written in the file, without quotes: a single
	// one, or a list or a map in brackets, which takes the place of all that was there.
	Value string
}

// ParseOverride reads "path=value". Its errors are *Error.
func ParseOverride(text string) (Override, error) {
	path, value, ok := strings.Cut(text, "=")
	path = strings.TrimSpace(path)
	o := Override{Path: path, Value: strings.TrimSpace(value)}
	wrong := func(message string) (Override, error) {
		return Override{}, &Error{File: "--set " + spelling.Short(text), Path: path, Message: message, Remedy: "write it like --set target.replicas=4"}
	}
	switch {
	case len(text) > maxOverride:
		return wrong(fmt.Sprintf("longer than %d bytes", maxOverride))
	case !utf8.ValidString(text):
		return wrong("it is not UTF-8 text")
	case !ok:
		return wrong("there is no = in it")
	case path == "":
		return wrong("there is no path before the =")
	case slices.Contains(strings.Split(path, "."), ""):
		return wrong("the path has an empty part")
	}
	return o, nil
}

func (o Override) label() string { return "--set " + spelling.Short(o.Path+"="+o.Value) }

// splitPath cuts a path at its dots; the name of an option may hold dots.
func splitPath(path string) []string {
	parts := strings.Split(path, ".")
	if len(parts) > 3 && parts[0] == "target" && parts[1] == "options" {
		parts = []string{"target", "options", strings.Join(parts[2:], ".")}
	}
	return parts
}

// set puts a value into the tree at a path, and adds the maps on the way that
// are not there. Keys that a plan does not have are left to the decoder.
func (s *source) set(tree *yamltree.Node, path string, value *yamltree.Node) *Error {
	wrong := func(message, remedy string) *Error { return s.At(value.Place, path, message, remedy) }
	parts := splitPath(path)
	if parts[0] == "vary" {
		return wrong("vary itself cannot be set", "set the path that it varies, which ends the varying")
	}
	node := tree
	for i, part := range parts {
		if e := s.Open(node, strings.Join(parts[:i], ".")); e != nil {
			return e
		}
		if node.Kind == yamltree.Null {
			if _, err := strconv.Atoi(part); err == nil {
				return wrong(fmt.Sprintf("%s has no entry %s", strings.Join(parts[:i], "."), part), "only what the plan lists can be set")
			}
			*node = yamltree.Node{Place: value.Place, Kind: yamltree.Map}
		}
		if short := shortOf(parts[:i]); short != "" && node.Kind == yamltree.Scalar {
			single := *node // the word that stands for a map becomes one
			*node = yamltree.Node{Place: single.Place, Kind: yamltree.Map, Keys: []yamltree.Key{{Place: single.Place, Name: short, Value: &single}}}
		}
		switch node.Kind {
		case yamltree.Map:
			key, ok := node.Child(part)
			if !ok {
				node.Keys = append(node.Keys, yamltree.Key{Place: value.Place, Name: part, Value: &yamltree.Node{Place: value.Place, Kind: yamltree.Null}})
				key = &node.Keys[len(node.Keys)-1]
			}
			node = key.Value
		case yamltree.List:
			at, ok := node.Index(part)
			if !ok {
				return wrong(fmt.Sprintf("%s has no entry %s", strings.Join(parts[:i], "."), part), node.Entries())
			}
			node = node.Items[at]
		default:
			return wrong(fmt.Sprintf("%s is a single value and has no part %q", strings.Join(parts[:i], "."), part),
				"leave out what follows "+parts[i-1])
		}
	}
	value.Inline = true // whether a list or a map can stand there, or text alone, the decoder knows
	if value.Bracketed() {
		*node = *value
		return nil
	}
	if node.Kind == yamltree.Map && shortOf(parts) == "" || node.Kind == yamltree.List {
		return wrong(fmt.Sprintf("%s is %s, and this is a single value", path, node.Kind), "set one of its parts, like "+path+"."+node.Part()+", or all of it in brackets"+emptied(node))
	}
	*node = *value
	return nil
}

// emptied says how else a list can be set.
func emptied(node *yamltree.Node) string {
	if node.Kind == yamltree.List {
		return "; [] takes all of them away"
	}
	return ""
}

// shortOf is the key that a single value at a path is the value of, where a map
// may stand there too: that of a workload's distribution is its name.
func shortOf(parts []string) string {
	if len(parts) != 3 || parts[0] != "workloads" {
		return ""
	}
	for _, t := range workloads.Types() {
		for _, k := range t.Keys {
			if k.Name == parts[2] && k.Short != "" {
				return k.Short
			}
		}
	}
	return ""
}

// canonical is a path with lists' entries named by their numbers.
func canonical(tree *yamltree.Node, path string) string {
	parts, node := splitPath(path), tree
	for i, part := range parts {
		if node == nil {
			break
		}
		if at, ok := node.Index(part); ok && node.Kind == yamltree.List {
			parts[i], node = strconv.Itoa(at), node.Items[at]
		} else if key, ok := node.Child(part); ok {
			node = key.Value
		} else {
			node = nil
		}
	}
	return strings.Join(parts, ".")
}

// find is the value at a path, or the deepest one on the way to it.
func (s *source) find(path string) *yamltree.Node {
	node := s.tree
	for _, part := range splitPath(path) {
		if key, ok := node.Child(part); ok {
			node = key.Value
		} else if at, ok := node.Index(part); ok && node.Kind == yamltree.List {
			node = node.Items[at]
		} else {
			break
		}
	}
	return node
}
