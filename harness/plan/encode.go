package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// YAML is the whole plan with its defaults, in the order of the table of keys,
// as a file that Parse reads back to an equal plan. It fails for a plan that
// Validate would refuse for something that a file cannot say.
func (p *Plan) YAML() ([]byte, error) {
	full := *p
	full.Workloads, full.Faults = slices.Clone(p.Workloads), slices.Clone(p.Faults)
	for i := range full.Faults {
		full.Faults[i].Pick = slices.Clone(full.Faults[i].Pick)
	}
	full.fill()
	if found := full.checkOwn(); len(found) > 0 {
		return nil, fmt.Errorf("write the plan as YAML: %w", yamltree.Join(found))
	}
	root := blockMap(pairs(schema.Slots(planKeys(p.words()), &full)), 0)
	return []byte(root.String() + "\n"), nil
}

// pairs writes the keys of a table, without those that say nothing.
func pairs(slots []schema.Slot) []*ast.MappingValueNode {
	var all []*ast.MappingValueNode
	for _, s := range slots {
		if s.Default == "" && s.Empty() && !(s.Required && s.Type == schema.Rate) { // a required rate can be 0
			continue
		}
		if group, ok := s.At.([]schema.Slot); ok && len(pairs(group)) == 0 {
			continue // a group of which nothing is said
		}
		all = append(all, pair(s.Name, valueNode(s)))
	}
	return all
}

// valueNode writes what a key's place holds.
func valueNode(s schema.Slot) ast.Node {
	switch to := s.At.(type) {
	case []schema.Slot:
		if said := pairs(to); s.Short != "" && len(said) == 1 && said[0].Key.String() == s.Short {
			return said[0].Value
		}
		if s.Short == "" && slices.ContainsFunc(to, func(s schema.Slot) bool { return s.Type == schema.Map }) {
			return blockMap(nested(to), indent) // a map of maps is easier to read by lines
		}
		return flowMap(pairs(to))
	case *[]string:
		return blockList(*to, func(text string) ast.Node { return scalarNode(text) })
	case *[]workloads.Spec:
		return blockList(*to, workloadNode)
	case *[]pace.Phase:
		return flowList(*to, phaseNode)
	case *[]question.Decision:
		return flowList(*to, func(d question.Decision) ast.Node { return flowMap(pairs(schema.Slots(question.DecisionKeys(), &d))) })
	case *[]faults.Spec:
		return blockList(*to, faultNode)
	case *[]Vary:
		var varied []*ast.MappingValueNode
		var together []*ast.MappingValueNode
		for i, v := range *to {
			values := pair(v.Path, flowList(v.Values, func(value string) ast.Node { return scalarNode(value) }))
			if !v.Zip {
				varied = append(varied, values)
				continue
			}
			together = append(together, values)
			if i+1 == len(*to) || !(*to)[i+1].Zip {
				varied = append(varied, pair(zipKey, flowMap(together)))
			}
		}
		return blockMap(varied, indent)
	case *map[string]string:
		return sortedMap(*to, func(value string) string { return value })
	case *map[string]int:
		return sortedMap(*to, strconv.Itoa)
	}
	return scalarNode(s.Spell())
}

// nested are the pairs of a map inside the plan, whose lists stay on their line.
func nested(slots []schema.Slot) []*ast.MappingValueNode {
	var all []*ast.MappingValueNode
	for _, s := range slots {
		switch to := s.At.(type) {
		case *[]string:
			if len(*to) > 0 {
				all = append(all, pair(s.Name, flowList(*to, func(text string) ast.Node { return scalarNode(text) })))
			}
		case []schema.Slot:
			if inside := pairs(to); len(inside) > 0 {
				all = append(all, pair(s.Name, flowMap(inside)))
			}
		default:
			all = append(all, pairs([]schema.Slot{s})...)
		}
	}
	return all
}

// workloadNode writes the keys that the workload's type has.
func workloadNode(s workloads.Spec) ast.Node {
	for _, t := range workloads.Types() {
		if t.Name != s.Type {
			continue
		}
		if s.Type == s.Name {
			s.Type = "" // the name says it
		}
		return flowMap(pairs(schema.Slots(workloadKeys(t), &s)))
	}
	return flowMap([]*ast.MappingValueNode{pair("name", scalarNode(s.Name)), pair("type", scalarNode(s.Type))})
}

func sortedMap[V any](m map[string]V, spell func(V) string) ast.Node {
	var all []*ast.MappingValueNode
	for _, name := range sortedKeys(m) {
		all = append(all, pair(name, scalarNode(spell(m[name]))))
	}
	return flowMap(all)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// indent is how many columns a map or a list stands further in than its key.
const indent = 2

// The YAML library writes what these nodes say. It takes the place of a block's
// lines from the columns of their tokens.

func column(n int) *token.Position { return &token.Position{Column: n + 1} }

func pair(key string, value ast.Node) *ast.MappingValueNode {
	return ast.MappingValue(token.MappingValue(column(0)), scalarNode(key), value)
}

func blockMap(pairs []*ast.MappingValueNode, in int) ast.Node {
	for _, p := range pairs {
		p.Key.GetToken().Position = column(in)
	}
	return ast.Mapping(token.MappingStart("", column(in)), false, pairs...)
}

func flowMap(pairs []*ast.MappingValueNode) ast.Node {
	return ast.Mapping(token.MappingStart("{", column(0)), true, pairs...)
}

func blockList[T any](items []T, node func(T) ast.Node) ast.Node {
	list := ast.Sequence(token.SequenceEntry("-", column(indent)), false)
	for _, item := range items {
		list.Values = append(list.Values, node(item))
	}
	return list
}

func flowList[T any](items []T, node func(T) ast.Node) ast.Node {
	list := ast.Sequence(token.SequenceStart("[", column(0)), true)
	for _, item := range items {
		list.Values = append(list.Values, node(item))
	}
	return list
}

var (
	// plainText needs no quotes anywhere in YAML, short of nullText.
	plainText = regexp.MustCompile(`^[A-Za-z0-9_/.]([A-Za-z0-9_/. <>=()*+-]*[A-Za-z0-9_/.()*+-])?$`)
	nullText  = regexp.MustCompile(`^(null|Null|NULL)$`)
)

// scalarNode writes a single value, in quotes where YAML could take it for
// something else. The library's own choice does not know where the value
// stands: it lets "<<" be a merge, and puts a text of several lines into a block
// inside a map on one line.
func scalarNode(s string) *ast.StringNode {
	if plainText.MatchString(s) && !nullText.MatchString(s) {
		return ast.String(token.String(s, s, column(0)))
	}
	return ast.String(token.DoubleQuote(s, strconv.Quote(s), column(0)))
}
