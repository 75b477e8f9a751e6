package plan

import (
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// treeKind is the shape of a treeNode.
type treeKind uint8

const (
	treeScalar treeKind = iota
	treeNull            // a key with no value, or null
	treeMap
	treeList
	treeFailed // what stands there could not be read, and that has been told
)

func (k treeKind) String() string {
	return [...]string{"a single value", "nothing", "a map", "a list", "unreadable"}[k]
}

// place is where a value stands: in the file, or in an override, which has no
// line.
type place struct {
	line, column int
	set          string // "--set path=value"
}

// treeNode is a value of a YAML document with aliases and merge keys resolved,
// and with the place it came from.
type treeNode struct {
	place
	kind   treeKind
	text   string // scalar: as written, without quotes
	quoted bool   // scalar: it was in quotes or in a block, so it is text and no number
	keys   []treeKey
	items  []*treeNode
}

// treeKey is one entry of a map, in the file's order.
type treeKey struct {
	place
	name  string
	value *treeNode
}

// child finds a map's entry.
func (n *treeNode) child(name string) (*treeKey, bool) {
	if n == nil {
		return nil, false
	}
	for i := range n.keys {
		if n.keys[i].name == name {
			return &n.keys[i], true
		}
	}
	return nil, false
}

// without takes some of a map's entries away.
func (n *treeNode) without(name func(string) bool) {
	n.keys = slices.DeleteFunc(n.keys, func(k treeKey) bool { return name(k.name) })
}

// clone copies a tree, so that an override of the copy leaves the original.
func (n *treeNode) clone() *treeNode {
	if n == nil {
		return nil
	}
	c := *n
	c.keys = make([]treeKey, len(n.keys))
	for i, k := range n.keys {
		k.value = k.value.clone()
		c.keys[i] = k
	}
	c.items = make([]*treeNode, len(n.items))
	for i, item := range n.items {
		c.items[i] = item.clone()
	}
	return &c
}

// size counts the nodes of a tree, up to limit.
func (n *treeNode) size(limit int) int {
	total := 1
	for i := 0; i < len(n.keys) && total < limit; i++ {
		total += n.keys[i].value.size(limit - total)
	}
	for i := 0; i < len(n.items) && total < limit; i++ {
		total += n.items[i].size(limit - total)
	}
	return total
}

// source is the file that plans were read from, and what is needed to read
// them again with other values.
type source struct {
	file        string
	lines       []string
	defaultName string
	tree        *treeNode // of one plan, with the overrides applied
	torn        bool      // parts of the tree could not be read
	words       Words
}

// at makes an error that points at a place.
func (s *source) at(where place, path, message, remedy string) *Error {
	e := &Error{File: s.file, Path: path, Message: message, Remedy: remedy}
	if where.set != "" {
		e.File = where.set
		if attach.Secretive(path, e.File) {
			said, _, _ := strings.Cut(e.File, "=")
			e.File = said + "=…"
		}
		return e
	}
	e.Line, e.Column = where.line, where.column
	if e.Line < 1 || e.Line > len(s.lines) || !attach.Secretive(path, s.lines[e.Line-1]) {
		e.Snippet = spelling.Snippet(s.lines, where.line, where.column)
	}
	return e
}
