package yamltree

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// Kind is the shape of a Node.
type Kind uint8

const (
	Scalar Kind = iota
	Null        // a key with no value, or null
	Map
	List
	Failed // what stands there could not be read, and that has been told
)

func (k Kind) String() string {
	return [...]string{"a single value", "nothing", "a map", "a list", "unreadable"}[k]
}

// Place is where a value stands: in the file, or in an override, which has no
// line.
type Place struct {
	Line, Column int
	Set          string // "--set path=value"
}

// Node is a value of a YAML document with aliases and merge keys resolved,
// and with the place it came from.
type Node struct {
	Place
	Kind   Kind
	Text   string // scalar: as written, without quotes
	Quoted bool   // scalar: it was in quotes or in a block, so it is text and no number
	Inline bool   // scalar: a path put it there, and in brackets it may be a list or a map, see File.Open
	Keys   []Key
	Items  []*Node
}

// Key is one entry of a map, in the file's order.
type Key struct {
	Place
	Name  string
	Value *Node
}

// Child finds a map's entry.
func (n *Node) Child(name string) (*Key, bool) {
	if n == nil {
		return nil, false
	}
	for i := range n.Keys {
		if n.Keys[i].Name == name {
			return &n.Keys[i], true
		}
	}
	return nil, false
}

// Without takes some of a map's entries away.
func (n *Node) Without(name func(string) bool) {
	n.Keys = slices.DeleteFunc(n.Keys, func(k Key) bool { return name(k.Name) })
}

// Clone copies a tree, so that an override of the copy leaves the original.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	c := *n
	c.Keys = make([]Key, len(n.Keys))
	for i, k := range n.Keys {
		k.Value = k.Value.Clone()
		c.Keys[i] = k
	}
	c.Items = make([]*Node, len(n.Items))
	for i, item := range n.Items {
		c.Items[i] = item.Clone()
	}
	return &c
}

// Size counts the nodes of a tree, up to limit.
func (n *Node) Size(limit int) int {
	total := 1
	for i := 0; i < len(n.Keys) && total < limit; i++ {
		total += n.Keys[i].Value.Size(limit - total)
	}
	for i := 0; i < len(n.Items) && total < limit; i++ {
		total += n.Items[i].Size(limit - total)
	}
	return total
}

// File is a file that YAML was read from.
type File struct {
	Name  string   // as given
	Lines []string // of its text, for what errors show
}

// At makes an error that points At a place.
func (s *File) At(where Place, path, message, remedy string) *Error {
	e := &Error{File: s.Name, Path: path, Message: message, Remedy: remedy}
	if where.Set != "" {
		e.File = where.Set
		if attach.Secretive(path, e.File) {
			said, _, _ := strings.Cut(e.File, "=")
			e.File = said + "=…"
		}
		return e
	}
	e.Line, e.Column = where.Line, where.Column
	if e.Line < 1 || e.Line > len(s.Lines) || !attach.Secretive(path, s.Lines[e.Line-1]) {
		e.Snippet = spelling.Snippet(s.Lines, where.Line, where.Column)
	}
	return e
}

// Index finds a list's entry by number, or by its name, which is its type where
// it has none.
func (n *Node) Index(part string) (int, bool) {
	if i, err := strconv.Atoi(part); err == nil {
		return i, i >= 0 && i < len(n.Items)
	}
	for i, item := range n.Items {
		name, ok := item.Child("name")
		if !ok {
			name, ok = item.Child("type")
		}
		if ok && name.Value.Text == part {
			return i, true
		}
	}
	return 0, false
}

// Entries tells what a list's entries can be called.
func (n *Node) Entries() string {
	switch len(n.Items) {
	case 0:
		return "the list is empty"
	case 1:
		return "it has the entry 0"
	}
	return fmt.Sprintf("it has the entries 0 to %d", len(n.Items)-1)
}

// Part is the name of one part, as an example.
func (n *Node) Part() string {
	if n.Kind == Map && len(n.Keys) > 0 {
		return n.Keys[0].Name
	}
	return "0"
}
