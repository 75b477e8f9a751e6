package aftershock

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
)

// Variant is one of the plans that a plan with vary stands for.
type Variant struct {
	Plan   *Plan    // with nothing left to vary
	Labels []string // the varied values in the file's order, like "target.replicas=4"
}

// Expand makes one plan for each combination of the varied values, the last
// path varying fastest, each checked like a plan of its own. A plan that
// varies nothing is its only variant. Errors are as those of ParsePlans.
func (p *Plan) Expand() ([]Variant, error) {
	if len(p.Vary) == 0 {
		return []Variant{{Plan: p}}, nil
	}
	src, err := p.currentSource()
	if err != nil {
		return nil, err
	}
	variants, found := src.variants(p.Vary)
	if err := joinPlanErrors(found); err != nil {
		return nil, err
	}
	return variants, nil
}

// currentSource is the file that the plan was read from if the plan still says
// the same, so that errors can point into it; else the plan's own YAML.
func (p *Plan) currentSource() (*planSource, error) {
	if p.source != nil {
		d := &decoder{src: p.source}
		was := d.plan(p.source.tree)
		was.fill()
		if len(d.found) == 0 && samePlan(was, p) {
			return p.source, nil
		}
	}
	text, err := p.YAML()
	if err != nil {
		return nil, err
	}
	src := &planSource{lines: strings.Split(string(text), "\n"), defaultName: p.Name, targets: p.knownTargets()}
	trees, found := src.parseTrees(text)
	if err := joinPlanErrors(found); err != nil {
		return nil, err
	}
	src.tree = trees[0].root
	return src, nil
}

// variants builds the plan of each combination. A mistake that several have is
// told once; one that not all have says for which values it is one.
func (s *planSource) variants(vary []Vary) ([]Variant, []*PlanError) {
	var all []Variant
	seen := variantErrors{varied: canonicalPaths(s.tree, vary), count: map[PlanError]int{}, first: map[PlanError]string{}}
	for _, choice := range combinations(vary) {
		src := *s
		src.tree = s.tree.clone()
		src.tree.keys = slices.DeleteFunc(src.tree.keys, func(k treeKey) bool { return k.name == "vary" })
		v := Variant{}
		var wrong []*PlanError
		for i, c := range choice {
			path, text := vary[i].Path, vary[i].Values[c]
			v.Labels = append(v.Labels, path+"="+text)
			if e := src.set(src.tree, path, s.variedValue(path, c, text)); e != nil {
				wrong = append(wrong, e)
			}
		}
		if len(wrong) == 0 {
			v.Plan, wrong = src.build(nil)
		}
		seen.add(v, wrong)
		all = append(all, v)
		if len(seen.order) > maxPlanErrors {
			break // more than will be told
		}
	}
	return all, seen.told(len(all))
}

// variantErrors collects the mistakes of several variants.
type variantErrors struct {
	varied []string // paths whose mistakes are seen by themselves
	order  []*PlanError
	count  map[PlanError]int    // variants that have it
	first  map[PlanError]string // the labels of the first one
}

func (s *variantErrors) add(v Variant, wrong []*PlanError) {
	for _, e := range wrong {
		if s.count[*e]++; s.count[*e] == 1 {
			s.order = append(s.order, e)
			s.first[*e] = strings.Join(v.Labels, ", ")
		}
	}
}

func (s *variantErrors) told(variants int) []*PlanError {
	found := make([]*PlanError, len(s.order))
	for i, e := range s.order {
		told := *e
		if s.count[*e] < variants && !slices.Contains(s.varied, e.Path) {
			told.Message = fmt.Sprintf("with %s: %s", s.first[*e], e.Message)
		}
		found[i] = &told
	}
	return found
}

func canonicalPaths(tree *treeNode, vary []Vary) []string {
	paths := make([]string, len(vary))
	for i, v := range vary {
		paths[i] = canonical(tree, v.Path)
	}
	return paths
}

// variedValue is one value of a varied path, at its place in the file.
func (s *planSource) variedValue(path string, i int, text string) *treeNode {
	if vary, ok := s.tree.child("vary"); ok {
		if key, ok := vary.value.child(path); ok && i < len(key.value.items) {
			return key.value.items[i].clone()
		}
	}
	return &treeNode{text: text}
}

// combinations lists the indexes of the values of every combination, the last
// path varying fastest.
func combinations(vary []Vary) [][]int {
	all := [][]int{nil}
	for _, v := range vary {
		var longer [][]int
		for _, choice := range all {
			for i := range v.Values {
				longer = append(longer, append(slices.Clone(choice), i))
			}
		}
		all = longer
	}
	return all
}

// samePlan tells whether two plans say the same, wherever they were read.
func samePlan(a, b *Plan) bool {
	return reflect.DeepEqual(bare(a), bare(b))
}

// bare is a copy without what is not the plan's to say.
func bare(p *Plan) Plan {
	c := *p
	c.source, c.normal = nil, false
	c.Faults = slices.Clone(c.Faults)
	for i := range c.Faults {
		c.Faults[i] = bareFault(c.Faults[i])
	}
	return c
}

func bareFault(f faults.Spec) faults.Spec {
	f.Line = 0
	f.Pick = slices.Clone(f.Pick)
	for i := range f.Pick {
		f.Pick[i] = bareFault(f.Pick[i])
	}
	return f
}
