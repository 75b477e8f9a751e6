package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/schema"
)

func driversKey(words Words) schema.Key[Plan] {
	hosts := slices.DeleteFunc(slices.Clone(words.Hosts), func(name string) bool { return name == AutoHost })
	return schema.Group(schema.Field{Name: "drivers", Absent: "the harness drives the load itself", Example: "{count: 3}",
		Meaning: "processes that share the clients of every workload, each on a node of its own beside the target's, with an address and a clock of its own; their histories are judged as one"},
		attach.DriverKeys(hosts), func(p *Plan) *attach.Drivers { return &p.Drivers })
}

// checkDrivers refuses what drivers cannot do, and what they cannot do yet.
func (p *Plan) checkDrivers() []*Error {
	d := p.Drivers
	if n := p.Gates.LostDrivers; n > 0 && n >= d.Count {
		return []*Error{p.wrong("gates.lost_drivers", fmt.Sprintf("%d drivers may be lost, of %d: then nobody is left", n, d.Count), "let at least one be left, or leave lost_drivers out")}
	}
	if !d.Asked() {
		if d.Placed() {
			return []*Error{p.wrong("drivers.count", "drivers have a place and are none", "say how many, e.g. drivers: {count: 3}")}
		}
		return nil
	}
	var found []*Error
	refuse := func(path, message, remedy string) { found = append(found, p.wrong(path, message, remedy)) }
	for _, m := range attach.CheckDrivers(d, p.Target.Attach) {
		refuse(m.Path, m.Message, m.Remedy)
	}
	elsewhere := d.On == attach.OnPods || d.On == attach.OnHosts
	if host := cmp.Or(p.Host, AutoHost); !p.Target.Attach.Asked() && d.On != "" && d.On != host && (host != AutoHost || elsewhere && !slices.Contains(p.words().Hosts, d.On)) {
		refuse("drivers.on", fmt.Sprintf("drivers on %s are not possible where the nodes are on %s: they are launched beside the nodes so far", d.On, host), "leave on out")
	}
	if p.Target.Own != nil {
		refuse("drivers", "drivers are processes of their own, which do not know a target that is made in Go", "leave drivers out")
	}
	if p.ChangesMembers() {
		refuse("drivers", "drivers do not hear of members that come and go yet", "leave drivers out, or spares and the faults join, leave and replace")
	}
	if p.StopOn == "violated" {
		refuse("stop_on", "registers are not watched while drivers are at work, so that nothing can stop the load", "leave stop_on out, or drivers")
	}
	return found
}
