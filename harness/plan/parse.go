package plan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Load reads the plans of a file: see Parse. Errors wrap ErrInput.
func Load(path string, overrides []Override, words Words) ([]*Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		remedy := "check the path and its permissions"
		if errors.Is(err, fs.ErrNotExist) {
			remedy = "name a plan file, e.g. plans/quickstart.yaml"
		}
		return nil, fmt.Errorf("%w: read the plan: %w; %s", failure.ErrInput, err, remedy)
	}
	defer f.Close()
	// One byte more than is allowed tells a file that is too big.
	data, err := io.ReadAll(io.LimitReader(f, yamltree.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%w: read the plan: %w; name a readable file", failure.ErrInput, err)
	}
	return parse(path, origin(path), data, overrides, words)
}

// Parse reads the plans of a YAML file, one a document, with defaults
// applied and everything checked, the plans that vary stands for included.
// name is the file's, for messages and for plans that have no name. The
// overrides are applied to every plan before it is decoded; one of a varied
// path ends its varying. Errors are *Error, at most ten of them joined and
// in the order of the lines, and wrap ErrInput.
func Parse(name string, data []byte, overrides []Override, words Words) ([]*Plan, error) {
	return parse(name, "", data, overrides, words)
}

func parse(name, path string, data []byte, overrides []Override, words Words) ([]*Plan, error) {
	data = yamltree.UnixText(data)
	file := source{File: yamltree.File{Name: name, Lines: strings.Split(string(data), "\n")}, path: path, words: words}
	trees, found := file.Parse(data)
	if len(trees) == 0 && len(found) == 0 {
		found = append(found, file.At(yamltree.Place{}, "", "the file holds no plan", "write one, or see plans/quickstart.yaml"))
	}
	var plans []*Plan
	for i, tree := range trees {
		src := file
		src.tree, src.torn, src.defaultName = tree.Root, tree.Torn, fileName(name)
		if len(trees) > 1 && src.defaultName != "" {
			src.defaultName = fmt.Sprintf("%s-%d", src.defaultName, i+1)
		}
		p, wrong := src.build(overrides)
		found = append(found, wrong...)
		if p == nil {
			continue
		}
		if same := slices.IndexFunc(plans, func(o *Plan) bool { return o.Name == p.Name }); same >= 0 && p.Name != "" {
			found = append(found, p.wrong("name", fmt.Sprintf("two plans of this file are named %s", p.Name), "give each its own name"))
		}
		plans = append(plans, p)
	}
	if err := yamltree.Join(found); err != nil {
		return nil, err
	}
	return plans, nil
}

// source is the file that plans were read from, and what is needed to read
// them again with other values.
type source struct {
	yamltree.File
	path        string // of the file on disk; empty: there is none
	defaultName string
	tree        *yamltree.Node // of one plan, with the overrides applied
	torn        bool           // parts of the tree could not be read
	words       Words
}

// build decodes and checks the source's plan with overrides.
func (s *source) build(overrides []Override) (*Plan, []*Error) {
	var found []*Error
	s.spellFindOut()
	for _, o := range overrides {
		if s.tree.Kind != yamltree.Map && s.tree.Kind != yamltree.Null {
			break // the decoder says what is wrong
		}
		if vary, ok := s.tree.Child("vary"); ok {
			path := canonical(s.tree, o.Path)
			vary.Value.Without(func(name string) bool { return canonical(s.tree, name) == path })
			if zip, ok := vary.Value.Child(zipKey); ok {
				if zip.Value.Without(func(name string) bool { return canonical(s.tree, name) == path }); len(zip.Value.Keys) == 0 && zip.Value.Kind == yamltree.Map {
					vary.Value.Without(func(name string) bool { return name == zipKey })
				}
			}
		}
		value := &yamltree.Node{Place: yamltree.Place{Set: o.label()}, Text: o.Value}
		if e := s.set(s.tree, o.Path, value); e != nil {
			found = append(found, e)
		}
	}
	d := &decoder{src: s}
	p := d.plan(s.tree)
	p.fill()
	// The meaning is checked only when all could be read, or one mistake would
	// be told many times.
	found = append(found, d.found...)
	if len(found) > 0 || s.torn {
		return p, found
	}
	return p, p.check()
}

var notNameRune = regexp.MustCompile(`[^a-z0-9]+`)

// fileName is a plan's name made of its file's; empty if nothing can be.
func fileName(path string) string {
	base := filepath.Base(path)
	base = strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base)))
	name := strings.Trim(notNameRune.ReplaceAllString(base, "-"), "-")
	return strings.Trim(name[:min(len(name), schema.MaxName-4)], "-")
}
