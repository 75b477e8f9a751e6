package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// maxOverride bounds an override's text.
const maxOverride = 4096

// Override replaces or adds one single value of a plan before it is decoded,
// so that it is checked like any other.
type Override struct {
	// Path names the value by keys and list indexes from 0, separated by
	// dots: "target.replicas", "faults.0.at", "target.options.replication". A
	// workload may be named in place of its index: "workloads.register.rate".
	Path string
	// Value is the value as it would be written in the file, without quotes.
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
func (s *source) set(tree *treeNode, path string, value *treeNode) *Error {
	wrong := func(message, remedy string) *Error { return s.at(value.place, path, message, remedy) }
	parts := splitPath(path)
	if parts[0] == "vary" {
		return wrong("vary itself cannot be set", "set the path that it varies, which ends the varying")
	}
	node := tree
	for i, part := range parts {
		if node.kind == treeNull {
			if _, err := strconv.Atoi(part); err == nil {
				return wrong(fmt.Sprintf("%s has no entry %s", strings.Join(parts[:i], "."), part), "only what the plan lists can be set")
			}
			*node = treeNode{place: value.place, kind: treeMap}
		}
		if short := shortOf(parts[:i]); short != "" && node.kind == treeScalar {
			single := *node // the word that stands for a map becomes one
			*node = treeNode{place: single.place, kind: treeMap, keys: []treeKey{{place: single.place, name: short, value: &single}}}
		}
		switch node.kind {
		case treeMap:
			key, ok := node.child(part)
			if !ok {
				node.keys = append(node.keys, treeKey{place: value.place, name: part, value: &treeNode{place: value.place, kind: treeNull}})
				key = &node.keys[len(node.keys)-1]
			}
			node = key.value
		case treeList:
			at, ok := node.index(part)
			if !ok {
				return wrong(fmt.Sprintf("%s has no entry %s", strings.Join(parts[:i], "."), part), node.entries())
			}
			node = node.items[at]
		default:
			return wrong(fmt.Sprintf("%s is a single value and has no part %q", strings.Join(parts[:i], "."), part),
				"leave out what follows "+parts[i-1])
		}
	}
	if node.kind == treeMap && shortOf(parts) == "" || node.kind == treeList {
		return wrong(fmt.Sprintf("%s is %s; only a single value can be set", path, node.kind), "set one of its parts, like "+path+"."+node.part())
	}
	*node = *value
	return nil
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

// index finds a list's entry by number, or by its name, which is its type where
// it has none.
func (n *treeNode) index(part string) (int, bool) {
	if i, err := strconv.Atoi(part); err == nil {
		return i, i >= 0 && i < len(n.items)
	}
	for i, item := range n.items {
		name, ok := item.child("name")
		if !ok {
			name, ok = item.child("type")
		}
		if ok && name.value.text == part {
			return i, true
		}
	}
	return 0, false
}

// entries tells what a list's entries can be called.
func (n *treeNode) entries() string {
	switch len(n.items) {
	case 0:
		return "the list is empty"
	case 1:
		return "it has the entry 0"
	}
	return fmt.Sprintf("it has the entries 0 to %d", len(n.items)-1)
}

// part is the name of one part, as an example.
func (n *treeNode) part() string {
	if n.kind == treeMap && len(n.keys) > 0 {
		return n.keys[0].name
	}
	return "0"
}

// canonical is a path with lists' entries named by their numbers.
func canonical(tree *treeNode, path string) string {
	parts, node := splitPath(path), tree
	for i, part := range parts {
		if node == nil {
			break
		}
		if at, ok := node.index(part); ok && node.kind == treeList {
			parts[i], node = strconv.Itoa(at), node.items[at]
		} else if key, ok := node.child(part); ok {
			node = key.value
		} else {
			node = nil
		}
	}
	return strings.Join(parts, ".")
}

// find is the value at a path, or the deepest one on the way to it.
func (s *source) find(path string) *treeNode {
	node := s.tree
	for _, part := range splitPath(path) {
		if key, ok := node.child(part); ok {
			node = key.value
		} else if at, ok := node.index(part); ok && node.kind == treeList {
			node = node.items[at]
		} else {
			break
		}
	}
	return node
}
