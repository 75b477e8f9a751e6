package drivers

import (
	"fmt"
	"net/netip"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/targets"
)

func nodesOf(list []node) ([]*cluster.Node, error) {
	var nodes []*cluster.Node
	for i, n := range list {
		addr, err := netip.ParseAddr(n.Addr)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", n.Name, err)
		}
		nodes = append(nodes, &cluster.Node{Name: n.Name, Index: i, Addr: addr, Port: n.Port, Control: beyond{}})
	}
	return nodes, nil
}

// move takes the nodes' addresses, which clients dial from now on.
func (d *driver) move(addrs []string) {
	for i, n := range d.nodes() {
		if i >= len(addrs) {
			return
		}
		if addr, err := netip.ParseAddr(addrs[i]); err == nil && addr != n.At() {
			n.Move(addr)
		}
	}
}

// systemOf is the plan's target for clients in a process that has formed no cluster, and
// the ways into it that are no nodes.
func systemOf(p *plan.Plan, nodes []*cluster.Node, j *job) (system targets.System, doors *attached.Doors, err error) {
	known, ok := p.System()
	if !ok {
		return nil, nil, fmt.Errorf("target %q is not built in", p.Target.Name)
	}
	wanted, _, err := p.Versions()
	if err != nil {
		return nil, nil, err
	}
	config := targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Version: wanted, Seed: p.Seed}
	if p.Target.Attach.Asked() {
		visited, err := j.Keys.System(p, known, config, j.Objects)
		if err != nil {
			return nil, nil, err
		}
		system, doors = visited, (&attached.Visit{System: visited}).Doors(p)
	} else if system, err = known.Configure(config); err != nil {
		return nil, nil, fmt.Errorf("target %s: %w", p.Target.Name, err)
	}
	if elsewhere, ok := system.(targets.Elsewhere); ok {
		elsewhere.Elsewhere(nodes, j.Index+1)
	}
	return system, doors, nil
}
