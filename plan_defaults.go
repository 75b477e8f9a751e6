package aftershock

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// fill applies the defaults. The plan's own are applied once, since a zero is
// meant afterwards; those of workloads and faults change nothing when they are
// applied again.
func (p *Plan) fill() {
	if !p.normal {
		p.fillOwn()
	}
	if len(p.Target.Options) == 0 {
		p.Target.Options = nil
	}
	for i, w := range p.Workloads {
		p.Workloads[i] = workloads.Defaults(w)
	}
	kinds := faults.Kinds()
	for i := range p.Faults {
		fillFault(&p.Faults[i], kinds)
	}
	p.Workloads, p.Faults = orNil(p.Workloads), orNil(p.Faults)
	p.Claims, p.Vary = orNil(p.Claims), orNil(p.Vary)
}

// orNil makes an empty list nil, so that equal plans are equal values.
func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (p *Plan) fillOwn() {
	d := defaultPlan()
	orElse(&p.Host, d.Host, "")
	orElse(&p.Target.Replicas, d.Target.Replicas, None)
	orElse(&p.Target.Failover.After, d.Target.Failover.After, None)
	orElse(&p.Target.Failover.Choose, d.Target.Failover.Choose, "")
	orElse(&p.Warmup, d.Warmup, None)
	orElse(&p.Duration, d.Duration, 0)
	orElse(&p.Settle, d.Settle, 0)
	orElse(&p.StopOn, d.StopOn, "")
	orElse(&p.Gates.MinOps, d.Gates.MinOps, None)
	orElse(&p.Timeouts.Connect, d.Timeouts.Connect, 0)
	orElse(&p.Timeouts.Operation, d.Timeouts.Operation, 0)
	p.normal = true
}

// orElse puts the default in place of a zero, and a zero in place of none.
func orElse[T comparable](v *T, byDefault, none T) {
	var zero T
	switch *v {
	case zero:
		*v = byDefault
	case none:
		*v = zero
	}
}

// fillFault spells out what a partition's shape takes when nothing is said.
func fillFault(s *faults.Spec, kinds []faults.KindInfo) {
	for i := range s.Pick {
		fillFault(&s.Pick[i], kinds)
	}
	for _, kind := range kinds {
		at := slices.IndexFunc(kind.Shapes, func(shape faults.ShapeInfo) bool { return shape.Name == s.Shape })
		if kind.Name != s.Kind || at < 0 {
			continue
		}
		shape := kind.Shapes[at]
		if shape.Optional {
			orElse(&s.Victim, first(shape.Victims), "")
		}
		orElse(&s.From, first(shape.From), "")
		orElse(&s.Direction, first(shape.Directions), "")
	}
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
