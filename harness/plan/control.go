package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// controlSuffix is what the name of a control has after its plan's.
const controlSuffix = "-control"

// notControlled are keys that a control cannot set: they do not change what the
// system does.
var notControlled = []string{"name", "about", "claims", "control", "vary", "stop_on", "gates", "repeat", "find", "study"}

// ControlPlan is the plan of the negative control: this one with the control's
// values set, and with the claims that it has to violate. It is nil for a plan
// without a control. Errors are as those of Parse.
func (p *Plan) ControlPlan() (*Plan, error) {
	control, found := p.controlPlan()
	if err := yamltree.Join(found); err != nil {
		return nil, err
	}
	return control, nil
}

func (p *Plan) controlPlan() (*Plan, []*Error) {
	if len(p.Control.Violates) == 0 {
		return nil, nil
	}
	current, err := p.currentSource()
	if err != nil {
		return nil, []*Error{p.wrong("control", err.Error(), "")}
	}
	src := *current
	src.tree = current.tree.Clone()
	src.tree.Keys = slices.DeleteFunc(src.tree.Keys, func(k yamltree.Key) bool {
		return slices.Contains([]string{"control", "claims", "stop_on", "repeat", "find", "study"}, k.Name)
	})
	for _, path := range sortedKeys(p.Control.Set) {
		value := current.controlValue(path, p.Control.Set[path])
		if key := splitPath(path)[0]; slices.Contains(notControlled, key) {
			return nil, []*Error{p.wrong(schema.Join("control.set", path), fmt.Sprintf("a control cannot set %s", key), "set what the system or its load does otherwise")}
		}
		if e := src.set(src.tree, path, value); e != nil {
			return nil, []*Error{e}
		}
	}
	control, found := src.build(nil)
	if len(found) > 0 {
		return nil, found
	}
	if len(control.Name) > schema.MaxName-len(controlSuffix) {
		control.Name = strings.TrimRight(control.Name[:schema.MaxName-len(controlSuffix)], "-")
	}
	control.Name += controlSuffix
	control.About = "the negative control of " + p.Name
	control.Claims = slices.Clone(p.Control.Violates)
	return control, nil
}

// controlValue is what a control sets, at its place in the file.
func (s *source) controlValue(path, text string) *yamltree.Node {
	if control, ok := s.tree.Child("control"); ok {
		if set, ok := control.Value.Child("set"); ok {
			if key, ok := set.Value.Child(path); ok {
				return key.Value.Clone()
			}
		}
	}
	return &yamltree.Node{Text: text}
}

// checkControl checks that the control can be run, and violates claims of this
// plan.
func (p *Plan) checkControl() []*Error {
	if len(p.Control.Violates) == 0 {
		if len(p.Control.Set) > 0 {
			return []*Error{p.wrong("control", "the control does not say which claims it violates", "add violates with some of the plan's claims")}
		}
		return nil
	}
	var found []*Error
	for i, text := range p.Control.Violates {
		path := schema.Join("control.violates", strconv.Itoa(i))
		switch {
		case !slices.Contains(p.Claims, text):
			found = append(found, p.wrong(path, fmt.Sprintf("the control violates %q, which the plan does not claim", spelling.Short(text)), spelling.DidYouMean(text, p.Claims)))
		case slices.Contains(p.Control.Violates[:i], text):
			found = append(found, p.wrong(path, fmt.Sprintf("the control names %q twice", spelling.Short(text)), "keep one of them"))
		}
	}
	if len(found) > 0 {
		return found
	}
	_, found = p.controlPlan()
	for _, e := range found {
		e.Message = "in the control: " + strings.TrimPrefix(e.Message, "in the control: ")
	}
	return found
}
