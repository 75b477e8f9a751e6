package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Variant is one of the plans that a plan with vary stands for.
type Variant struct {
	Plan   *Plan      // with nothing left to vary
	Labels []string   // the varied values in the file's order, like "target.replicas=4"
	Varied []Override // the same, as data
}

// Expand makes one plan for each combination of the varied values, the last
// path varying fastest, each checked like a plan of its own. A plan that
// varies nothing is its only variant. Errors are as those of Parse.
func (p *Plan) Expand() ([]Variant, error) {
	if len(p.Vary) == 0 {
		return []Variant{{Plan: p}}, nil
	}
	src, err := p.currentSource()
	if err != nil {
		return nil, err
	}
	variants, found := src.variants(p.Vary)
	if err := yamltree.Join(found); err != nil {
		return nil, err
	}
	return variants, nil
}

// currentSource is the file that the plan was read from if the plan still says
// the same, so that errors can point into it; else the plan's own YAML.
func (p *Plan) currentSource() (*source, error) {
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
	src := &source{File: yamltree.File{Lines: strings.Split(string(text), "\n")}, defaultName: p.Name, words: p.words()}
	trees, found := src.Parse(text)
	if err := yamltree.Join(found); err != nil {
		return nil, err
	}
	src.tree = trees[0].Root
	return src, nil
}

// variants builds the plan of each combination. A mistake that several have is
// told once; one that not all have says for which values it is one.
func (s *source) variants(vary []Vary) ([]Variant, []*Error) {
	var all []Variant
	seen := variantErrors{varied: canonicalPaths(s.tree, vary), count: map[Error]int{}, first: map[Error]string{}}
	for _, choice := range combinations(vary) {
		src := *s
		src.tree = s.tree.Clone()
		src.tree.Keys = slices.DeleteFunc(src.tree.Keys, func(k yamltree.Key) bool { return k.Name == "vary" || k.Name == "study" })
		v := Variant{}
		var wrong []*Error
		for i, c := range choice {
			path, text := vary[i].Path, vary[i].Values[c]
			v.Labels = append(v.Labels, path+"="+text)
			v.Varied = append(v.Varied, Override{Path: path, Value: text})
			if e := src.set(src.tree, path, s.variedValue(path, c, text)); e != nil {
				wrong = append(wrong, e)
			}
		}
		if len(wrong) == 0 {
			v.Plan, wrong = src.build(nil)
		}
		seen.add(v, wrong)
		all = append(all, v)
		if len(seen.order) > yamltree.MaxErrors {
			break // more than will be told
		}
	}
	return all, seen.errors(len(all))
}

// variantErrors collects the mistakes of several variants.
type variantErrors struct {
	varied []string // paths whose mistakes are seen by themselves
	order  []*Error
	count  map[Error]int    // variants that have it
	first  map[Error]string // the labels of the first one
}

func (s *variantErrors) add(v Variant, wrong []*Error) {
	for _, e := range wrong {
		if s.count[*e]++; s.count[*e] == 1 {
			s.order = append(s.order, e)
			s.first[*e] = strings.Join(v.Labels, ", ")
		}
	}
}

func (s *variantErrors) errors(variants int) []*Error {
	found := make([]*Error, len(s.order))
	for i, e := range s.order {
		shown := *e
		if s.count[*e] < variants && !slices.Contains(s.varied, e.Path) {
			shown.Message = fmt.Sprintf("with %s: %s", s.first[*e], e.Message)
		}
		found[i] = &shown
	}
	return found
}

func canonicalPaths(tree *yamltree.Node, vary []Vary) []string {
	paths := make([]string, len(vary))
	for i, v := range vary {
		paths[i] = canonical(tree, v.Path)
	}
	return paths
}

// variedValue is one value of a varied path, at its place in the file.
func (s *source) variedValue(path string, i int, text string) *yamltree.Node {
	if vary, ok := s.tree.Child("vary"); ok {
		key, ok := vary.Value.Child(path)
		if zip, together := vary.Value.Child(zipKey); together && !ok {
			key, ok = zip.Value.Child(path)
		}
		if ok && i < len(key.Value.Items) {
			return key.Value.Items[i].Clone()
		}
	}
	return &yamltree.Node{Text: text}
}

// combinations lists the indexes of the values of every combination, the last
// path varying fastest. The paths of a zip have the same index.
func combinations(vary []Vary) [][]int {
	all := [][]int{nil}
	for n, v := range vary {
		if v.Zip && n > 0 && vary[n-1].Zip {
			for i := range all {
				all[i] = append(all[i], all[i][n-1])
			}
			continue
		}
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
	return c
}

// zipKey is what of vary holds the paths that are walked together.
const zipKey = "zip"

// vary reads the varied paths; whether they exist is seen when they are set.
func (d *decoder) vary(n *yamltree.Node, path string, f schema.Field) []Vary {
	if !d.isMap(n, path, f.Name, f.Example) {
		return nil
	}
	var all []Vary
	for i := range n.Keys {
		k := &n.Keys[i]
		if k.Name == zipKey {
			all = append(all, d.zip(k, schema.Join(path, zipKey))...)
		} else if v, ok := d.values(k, path); ok {
			all = append(all, v)
		}
		if variants(all) > maxVariants {
			d.wrongKey(k, schema.Join(path, k.Name), fmt.Sprintf("vary makes more than %d runs of this plan", maxVariants), "vary fewer paths or values")
			return nil
		}
	}
	return all
}

// zip reads the paths that are walked together.
func (d *decoder) zip(key *yamltree.Key, path string) []Vary {
	if key.Value.Kind == yamltree.Null || !d.isMap(key.Value, path, zipKey, "{target.replicas: [1, 2], target.options.apply: [serial, parallel]}") {
		if key.Value.Kind == yamltree.Null {
			d.wrongKey(key, path, "zip has no paths", "e.g. {target.replicas: [1, 2], target.options.apply: [serial, parallel]}")
		}
		return nil
	}
	var all []Vary
	for i := range key.Value.Keys {
		k := &key.Value.Keys[i]
		v, ok := d.values(k, path)
		if !ok {
			continue
		}
		v.Zip = true
		if wrong := unequal(append(all, v)); wrong != "" {
			d.wrongKey(k, schema.Join(path, k.Name), wrong, "give each path of zip as many values")
			continue
		}
		all = append(all, v)
	}
	return all
}

// unequal says which path of a zip has another number of values than the one
// before; empty if none has.
func unequal(vary []Vary) string {
	for i, v := range vary {
		if i > 0 && v.Zip && vary[i-1].Zip && len(v.Values) != len(vary[i-1].Values) {
			return fmt.Sprintf("zip has %d values of %s and %d of %s", len(vary[i-1].Values), spelling.Short(vary[i-1].Path), len(v.Values), spelling.Short(v.Path))
		}
	}
	return ""
}

// variants is how many plans a plan that varies stands for; more than
// maxVariants is maxVariants+1.
func variants(vary []Vary) int {
	runs := 1
	for i, v := range vary {
		if v.Zip && i > 0 && vary[i-1].Zip {
			continue
		}
		if runs *= max(1, len(v.Values)); runs > maxVariants {
			return maxVariants + 1
		}
	}
	return runs
}

// values reads one varied path.
func (d *decoder) values(k *yamltree.Key, path string) (Vary, bool) {
	v := Vary{Path: k.Name}
	at := schema.Join(path, k.Name)
	if k.Value.Kind == yamltree.Scalar || k.Value.Kind == yamltree.Null || k.Value.Kind == yamltree.List && len(k.Value.Items) == 0 {
		d.wrongKey(k, at, fmt.Sprintf("vary %s has no list of values", spelling.Short(k.Name)), "e.g. target.replicas: [1, 2, 4]")
		return v, false
	}
	values := schema.Slot{Field: schema.Field{Name: k.Name, Type: schema.List, Max: maxVariants, Example: "[1, 2, 4]"}}
	d.list(values, func(n *yamltree.Node, path string) { d.varied(&v, n, path) })(k.Value, at)
	return v, true
}

func (d *decoder) varied(v *Vary, n *yamltree.Node, path string) {
	text, ok := d.scalar(n, path, "single values", "[1, 2, 4]")
	if !ok {
		return
	}
	// What is walked with another path may come again.
	if slices.Contains(v.Values, text) && !strings.HasPrefix(path, "vary."+zipKey+".") {
		d.wrong(n, path, fmt.Sprintf("vary %s has the value %s twice", v.Path, spelling.Short(text)), "keep one of them")
		return
	}
	v.Values = append(v.Values, text)
}
