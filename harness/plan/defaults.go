package plan

import (
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// fill applies the defaults. The plan's own are applied once, since a zero is
// meant afterwards; those of workloads and faults change nothing when they are
// applied again.
func (p *Plan) fill() {
	if p.Target.Own != nil && p.Target.Name == "" {
		p.Target.Name = p.Target.Own.Info().Name
	}
	p.Load = orNil(workloads.Named(p.Load))
	if !p.normal {
		if p.Duration == 0 {
			p.durationOfLoad()
		}
		schema.Fill(schema.Slots(planKeys(p.words()), p))
		p.normal = true
	}
	if p.Target.Attach.Asked() {
		p.Target.Replicas = max(len(p.NodeNames())-1, 0) // what names none is told by attach.Check
	}
	if len(p.Target.Options) == 0 {
		p.Target.Options = nil
	}
	if len(p.Prices) == 0 {
		p.Prices = nil
	}
	if len(p.WAN) == 0 {
		p.WAN = nil
	}
	for i, w := range p.Workloads {
		p.Workloads[i] = workloads.Defaults(w)
	}
	for i, f := range p.Faults {
		p.Faults[i] = faults.Defaults(f)
	}
	p.Workloads, p.Faults = orNil(p.Workloads), orNil(p.Faults)
	p.Claims, p.Vary = orNil(p.Claims), orNil(p.Vary)
	if p.Control.Violates = orNil(p.Control.Violates); len(p.Control.Set) == 0 {
		p.Control.Set = nil
	}
	p.Study = p.Study.Normal()
}

// orNil makes an empty list nil, so that equal plans are equal values.
func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
