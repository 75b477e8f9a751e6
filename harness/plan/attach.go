package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
)

// checkPlace checks where the deployment is, and what else the plan says that only
// nodes of its own could have.
func (p *Plan) checkPlace() []*Error {
	var found []*Error
	for _, m := range attach.Check(p.Target.Attach, p.Target.Connect) {
		found = append(found, p.wrong(schema.Join("target", m.Path), m.Message, m.Remedy))
	}
	if !p.Target.Attach.Asked() {
		return append(found, p.checkReach()...)
	}
	const remedy = "take it away: what is attached to is launched and configured by somebody else"
	if p.Host != AutoHost {
		found = append(found, p.wrong("host", "the nodes run where attach says, not on host "+p.Host, remedy))
	}
	if p.Target.Image != "" {
		found = append(found, p.wrong("target.image", "nodes that are attached to have no image of the plan's", remedy))
	}
	if p.Target.Memory > 0 {
		found = append(found, p.wrong("target.memory", "the memory of nodes that are attached to is not the plan's to bound", remedy))
	}
	if p.Target.CPUs > 0 {
		found = append(found, p.wrong("target.cpus", "the processors of nodes that are attached to are not the plan's to bound", remedy))
	}
	for i, w := range p.Workloads {
		if w.Pipeline > 1 && p.Target.Connect.Primary != "" {
			found = append(found, p.wrong(fmt.Sprintf("workloads.%d.pipeline", i), "several operations under way on one connection are possible to nodes, not through connect.primary", "take pipeline or connect.primary away"))
		}
	}
	return append(found, p.checkReach()...)
}

// checkReach tells which faults are not possible where the nodes are.
func (p *Plan) checkReach() []*Error {
	var found []*Error
	for i, f := range p.Faults {
		kinds := []faults.Spec{f}
		if len(f.Pick) > 0 {
			kinds = f.Pick
		}
		for _, s := range kinds {
			kind, ok := faults.Lookup(s.Kind)
			if !ok {
				continue
			}
			if kind.Platform && !p.Target.Attach.OfPods() {
				found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), fmt.Sprintf("%s is for pods of a deployment that somebody else runs", s.Kind), "use kill or crash, or attach to the pods by target.attach.kubernetes"))
				continue
			}
			if !p.Target.Attach.Asked() {
				if s.Process != "" || len(s.Also) > 0 {
					found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), fmt.Sprintf("%s is for deployments that somebody else runs", cmp.Or(map[bool]string{true: "process"}[s.Process != ""], "also")), "leave it out, or attach to one"))
				}
				continue
			}
			if kind.Members != "" {
				found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), fmt.Sprintf("%s changes members, and who is one of a deployment that somebody else runs is told to its own tools", s.Kind),
					"have a command of theirs as exec, or leave the fault out"))
				continue
			}
			if !kind.Anywhere && len(p.Target.Attach.Nodes) > 0 {
				found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), fmt.Sprintf("%s needs a guest beside the server, and these nodes are known by their addresses alone", s.Kind),
					"name them by compose, containers, kubernetes or ssh, or leave the fault out"))
			}
		}
	}
	return found
}

// checkAttached has the target look at what the plan says of servers that run already.
func (p *Plan) checkAttached(t targets.Target, config targets.Config, names []string) []*Error {
	attacher, ok := t.(targets.Attacher)
	if !ok {
		var can []string
		for _, other := range p.words().Targets {
			if _, ok := other.(targets.Attacher); ok {
				can = append(can, other.Info().Name)
			}
		}
		return []*Error{p.wrong("target.attach", fmt.Sprintf("target %s can only be launched", p.Target.Name), "those that can be attached to are "+strings.Join(slices.Sorted(slices.Values(can)), ", "))}
	}
	system, err := attacher.Attach(targets.AttachConfig{Config: config, Access: targets.Access{Doors: p.Doors()}, Objects: "aftershock_check"})
	if err != nil {
		return []*Error{p.wrong("target.options"+optionNamed(err, names), fmt.Sprintf("target %s: %s", p.Target.Name, err), "")}
	}
	return append(p.checkAbilities(t, system), p.checkUpgrades(t, system, config)...)
}

// Doors are the ways in that connect names, the primary's first.
func (p *Plan) Doors() []targets.Door {
	var doors []targets.Door
	door := func(role targets.Role, text string) {
		if u, err := attach.ParseURL(text); err == nil { // else attach.Check tells it
			doors = append(doors, targets.Door{Role: role, Kind: u.Scheme, Addrs: u.Addrs, Name: u.Name})
		}
	}
	if p.Target.Connect.Primary != "" {
		door(targets.Primary, p.Target.Connect.Primary)
	}
	for _, r := range p.Target.Connect.Replicas {
		door(targets.Replica, r)
	}
	return doors
}
