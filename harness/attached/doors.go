package attached

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Doors are the ways into a deployment that are no nodes. The nil Doors are none.
type Doors struct {
	system targets.Attached
	all    []targets.Door // the primary's first
}

// Doors are those that the plan names; nil if clients go straight to the nodes.
func (v *Visit) Doors(p *plan.Plan) *Doors {
	if v == nil || len(p.Doors()) == 0 {
		return nil
	}
	return &Doors{v.System, p.Doors()}
}

// Of is the door that a request goes through; false: it goes to a node. Door 0 is
// the primary's.
func (d *Doors) Of(r *workloads.Request) (door int, ok bool) {
	if d == nil || r.Route == workloads.ToNode {
		return 0, false
	}
	replicas := len(d.all) - 1
	switch {
	case r.Route == workloads.ToPrimary || replicas == 0:
		return 0, true
	case r.Route == workloads.ToAny:
		return int(r.Pick) % len(d.all), true
	}
	return 1 + int(r.Pick)%replicas, true
}

// Count is how many there are.
func (d *Doors) Count() int {
	if d == nil {
		return 0
	}
	return len(d.all)
}

// Open opens a connection through a door, and says to which node it leads; -1: that
// cannot be known.
func (d *Doors) Open(ctx context.Context, door int, nodes []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	return d.system.Enter(ctx, d.all[door], nodes, o)
}
