package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/plans"
)

// loadPlans reads what an argument of `run` stands for: the plans of a file, of
// a shipped file ("postgres/kill"), or the one shipped plan of that name
// ("quickstart-sync"), the first of these that there is.
func loadPlans(arg string, overrides []plan.Override) ([]*plan.Plan, error) {
	info, err := os.Stat(arg)
	if err == nil && !info.IsDir() {
		return plan.Load(arg, overrides, harness.Words())
	}
	if text, ok := plans.Read(arg); ok {
		return plan.Parse(arg, text, overrides, harness.Words())
	}
	for _, file := range plans.Names() {
		text, _ := plans.Read(file)
		if !bytes.Contains(text, []byte(arg)) {
			continue // hundreds of plans take their time to be read
		}
		list, err := plan.Parse(file, text, nil, harness.Words())
		if err != nil {
			return nil, fmt.Errorf("the shipped plan %s: %w", file, err)
		}
		if at := slices.IndexFunc(list, func(p *plan.Plan) bool { return p.Name == arg }); at >= 0 {
			p, err := list[at].With(overrides) // the others of the file are not asked for
			if err != nil {
				return nil, err
			}
			return []*plan.Plan{p}, nil
		}
	}
	shipped, err := shippedPlans()
	if err != nil {
		return nil, err
	}
	return nil, noPlan(arg, shipped)
}

// shippedPlan is a plan with its place.
type shippedPlan struct {
	plan *plan.Plan
	file string // as plans.Names has it
}

func shippedPlans() ([]shippedPlan, error) {
	var all []shippedPlan
	for _, file := range plans.Names() {
		text, _ := plans.Read(file)
		list, err := plan.Parse(file, text, nil, harness.Words())
		if err != nil {
			return nil, fmt.Errorf("the shipped plan %s: %w", file, err)
		}
		for _, p := range list {
			all = append(all, shippedPlan{plan: p, file: file})
		}
	}
	return all, nil
}

// noPlan says what is not there, and what may have been meant.
func noPlan(arg string, shipped []shippedPlan) error {
	word := strings.TrimPrefix(strings.TrimSuffix(path.Clean(arg), ".yaml"), "plans/")
	var known, namesakes []string
	for _, s := range shipped {
		if path.Base(s.file) == word && !slices.Contains(namesakes, s.file) {
			namesakes = append(namesakes, s.file)
		}
		known = append(known, s.file, s.plan.Name)
	}
	meant := ""
	if near, ok := spelling.Nearest(word, known); ok {
		meant = fmt.Sprintf("did you mean %q? ", near)
	}
	if len(namesakes) > 0 {
		meant = "did you mean " + orList(namesakes) + "? "
	}
	return fmt.Errorf("%w: there is no plan file %s, and no shipped plan of that name; %s`aftershock list plans` tells what is shipped", failure.ErrInput, arg, meant)
}

// planListing is a shipped plan.
type planListing struct {
	Name   string   `json:"name"`
	File   string   `json:"file"` // as `run` takes it
	About  string   `json:"about"`
	Target string   `json:"target"`
	Claims []string `json:"claims"`
}

func planListings() ([]planListing, error) {
	shipped, err := shippedPlans()
	list := []planListing{}
	for _, s := range shipped {
		list = append(list, planListing{Name: s.plan.Name, File: s.file, About: s.plan.About, Target: s.plan.Target.Name, Claims: append([]string{}, s.plan.Claims...)})
	}
	return list, err
}

func listPlan(w io.Writer, p *planListing) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.File, p.Target, units.Plural(len(p.Claims), "claim", "claims"), p.About)
}
