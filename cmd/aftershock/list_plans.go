package main

import (
	"fmt"
	"io"

	"github.com/aftershock-chaos/aftershock/internal/units"
)

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
