package yamltree

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// grower makes a tree of one YAML document. What it cannot take it reports in
// found, and goes on with a failed node in its place.
type grower struct {
	src     *File
	budget  int // nodes that may still be made
	spent   bool
	anchors map[string]*Node
	found   []*Error
}

// grow converts a node. Aliases are copied, so that an override of one place
// leaves the other; the budget bounds what a nest of aliases can become.
func (g *grower) grow(n ast.Node, depth int) *Node {
	t := nodeToken(n)
	if t == nil {
		return &Node{Kind: Null}
	}
	at := &Node{Place: tokenPlace(t), Kind: Null}
	if !g.spend(t, 1) {
		at.Kind = Failed
		return at
	}
	if depth > maxDepth {
		return g.fail(at, t, fmt.Sprintf("nested deeper than %d levels", maxDepth), "a plan needs far fewer")
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return g.growMap(at, n.Values, n.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		return g.growMap(at, []*ast.MappingValueNode{n}, false, depth)
	case *ast.SequenceNode:
		at.Kind = List
		for _, v := range n.Values {
			if g.spent {
				break
			}
			at.Items = append(at.Items, g.grow(v, depth+1))
		}
		return at
	case *ast.AnchorNode:
		name := nodeText(n.Name)
		value := g.grow(n.Value, depth+1)
		g.anchors[name] = value
		return value
	case *ast.AliasNode:
		return g.alias(at, t, nodeText(n.Value))
	case *ast.TagNode:
		return g.fail(at, t, "YAML tags (!…) have no meaning in a plan", "put the value in quotes if the ! belongs to it")
	default:
		return g.growScalar(at, t, n)
	}
}

// spend takes from the budget and reports once when it is gone.
func (g *grower) spend(t *token.Token, nodes int) bool {
	g.budget -= nodes
	if g.budget >= 0 {
		return true
	}
	if !g.spent {
		g.spent = true
		g.found = append(g.found, g.src.atToken(t,
			fmt.Sprintf("the file holds more than %d values, counting each use of an alias", maxNodes), "use fewer aliases or split the file"))
	}
	return false
}

func (g *grower) fail(at *Node, t *token.Token, message, remedy string) *Node {
	g.found = append(g.found, g.src.atToken(t, message, remedy))
	at.Kind = Failed
	return at
}

func (g *grower) alias(at *Node, t *token.Token, name string) *Node {
	value, ok := g.anchors[name]
	if !ok {
		return g.fail(at, t, fmt.Sprintf("alias *%s has no anchor &%s before it in this document", name, name), "write the anchor first")
	}
	// The size is bounded by what is left, so that measuring is too.
	if !g.spend(t, value.Size(g.budget+2)-1) {
		at.Kind = Failed
		return at
	}
	return value.Clone()
}

func (g *grower) growScalar(at *Node, t *token.Token, n ast.Node) *Node {
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.LiteralNode:
		at.Kind, at.Quoted = Scalar, true
		if n.Value != nil {
			at.Text = strings.TrimRight(n.Value.Value, "\n") // a block ends its last line
		}
	case *ast.StringNode:
		at.Kind, at.Text = Scalar, n.Value
		at.Quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		at.Kind, at.Text = Scalar, t.Value
	default:
		return g.fail(at, t, "this kind of YAML value has no meaning in a plan", "use maps, lists and single values")
	}
	return at
}

func (g *grower) growMap(at *Node, values []*ast.MappingValueNode, flow bool, depth int) *Node {
	at.Kind = Map
	if len(values) > 0 && !flow {
		// A block map's own token is its first colon.
		if t := nodeToken(values[0].Key); t != nil {
			at.Place = tokenPlace(t)
		}
	}
	var merges []*Node
	for _, v := range values {
		if g.spent {
			break
		}
		kt := nodeToken(v.Key)
		if kt == nil {
			continue
		}
		if v.Key.IsMergeKey() {
			merges = append(merges, g.grow(v.Value, depth+1))
			continue
		}
		name, kt, ok := keyName(v.Key, kt)
		if !ok {
			g.found = append(g.found, g.src.atToken(kt, "a key has to be a plain word", "write it as key: value"))
			continue
		}
		value := g.grow(v.Value, depth+1)
		if first, twice := at.Child(name); twice {
			g.found = append(g.found, g.src.atToken(kt, fmt.Sprintf("key %q is here twice", spelling.Short(name)),
				fmt.Sprintf("line %d has it too; keep one of them", first.Line)))
			continue
		}
		at.Keys = append(at.Keys, Key{Place: tokenPlace(kt), Name: name, Value: value})
	}
	for _, m := range merges {
		g.merge(at, m)
	}
	return at
}

// merge adds the entries that the map does not have itself; of several merged
// maps the first wins, as YAML's merge key says.
func (g *grower) merge(into, from *Node) {
	switch from.Kind {
	case Map:
		for _, k := range from.Keys {
			if _, has := into.Child(k.Name); !has {
				into.Keys = append(into.Keys, k)
			}
		}
	case List:
		for _, item := range from.Items {
			if item.Kind != Map {
				g.found = append(g.found, g.src.At(item.Place, "", "<< can merge maps only", "give it an alias of a map"))
				continue
			}
			g.merge(into, item)
		}
	default:
		if from.Kind != Failed {
			g.found = append(g.found, g.src.At(from.Place, "", "<< can merge maps only", "give it an alias of a map"))
		}
	}
}

// keyName is a scalar key's text and the token to point at.
func keyName(key ast.Node, t *token.Token) (string, *token.Token, bool) {
	if explicit, ok := key.(*ast.MappingKeyNode); ok {
		key = explicit.Value
		if inner := nodeToken(key); inner != nil {
			t = inner
		}
	}
	switch key := key.(type) {
	case *ast.StringNode:
		return key.Value, t, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return t.Value, t, true
	default:
		return "", t, false
	}
}

// nodeText is the name in an anchor or an alias.
func nodeText(n ast.Node) string {
	if t := nodeToken(n); t != nil {
		return t.Value
	}
	return ""
}

// nodeToken is a node's token, nil for a missing node or one without a place.
func nodeToken(n ast.Node) *token.Token {
	if n == nil || reflect.ValueOf(n).IsNil() {
		return nil
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return nil
	}
	return t
}
