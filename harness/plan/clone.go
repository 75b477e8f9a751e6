package plan

import (
	"maps"
	"slices"

	"github.com/aftershock-chaos/aftershock/faults"
)

// Clone is a copy that shares nothing with the plan that a change of either
// could show in the other.
func (p *Plan) Clone() *Plan {
	c := *p
	c.Target.Options = maps.Clone(p.Target.Options)
	c.Workloads = slices.Clone(p.Workloads)
	for i := range c.Workloads {
		c.Workloads[i].Mix, c.Workloads[i].Load = maps.Clone(c.Workloads[i].Mix), slices.Clone(c.Workloads[i].Load)
		c.Workloads[i].Value.Sizes = maps.Clone(c.Workloads[i].Value.Sizes)
	}
	c.Load = slices.Clone(p.Load)
	c.Faults = cloneFaults(p.Faults)
	c.Prices = maps.Clone(p.Prices)
	c.Claims = slices.Clone(p.Claims)
	c.Vary = slices.Clone(p.Vary)
	for i := range c.Vary {
		c.Vary[i].Values = slices.Clone(c.Vary[i].Values)
	}
	c.Control = Control{Set: maps.Clone(p.Control.Set), Violates: slices.Clone(p.Control.Violates)}
	c.Study = p.Study.Clone()
	return &c
}

func cloneFaults(list []faults.Spec) []faults.Spec {
	list = slices.Clone(list)
	for i := range list {
		list[i].Pick = cloneFaults(list[i].Pick)
	}
	return list
}
