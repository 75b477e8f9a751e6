package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/schema"
)

// mostDrivers bounds the drivers of a plan.
const mostDrivers = 128

// Drivers are the processes that drive the load, each on a node of its own beside the
// target's nodes. Without any the harness drives it.
type Drivers struct {
	Count int
	On    string // empty: on the run's host
}

// Asked tells whether there are any.
func (d Drivers) Asked() bool { return d.Count > 0 }

// Names are what the nodes of the drivers are called.
func (d Drivers) Names() []string {
	names := make([]string, d.Count)
	for i := range names {
		names[i] = fmt.Sprintf("driver%d", i+1)
	}
	return names
}

// places that drivers may be on one day though nodes are not launched there yet.
var driverPlaces = []string{"kubernetes", "ssh"}

func driversKey(words Words) schema.Key[Plan] {
	return schema.Group(schema.Field{Name: "drivers", Absent: "the harness drives the load itself", Example: "{count: 3}",
		Meaning: "processes that share the clients of every workload, each on a node of its own beside the target's, with an address and a clock of its own; their histories are judged as one"},
		driverKeys(words), func(p *Plan) *Drivers { return &p.Drivers })
}

func driverKeys(words Words) []schema.Key[Drivers] {
	places := slices.DeleteFunc(slices.Clone(words.Hosts), func(name string) bool { return name == AutoHost })
	for _, name := range driverPlaces {
		if len(words.Hosts) > 0 && !slices.Contains(places, name) { // else any, as of the host
			places = append(places, name)
		}
	}
	return []schema.Key[Drivers]{
		{Field: schema.Field{Name: "count", Type: schema.Whole, Min: 1, Max: mostDrivers, Absent: "none", Example: "3",
			Meaning: "how many"},
			At: func(d *Drivers) any { return &d.Count }},
		{Field: schema.Field{Name: "on", Type: schema.Word, Words: places, Absent: "where the target's nodes are", Example: "local",
			Meaning: "where they are launched; so far only where the target's nodes are"},
			At: func(d *Drivers) any { return &d.On }},
	}
}

// checkDrivers refuses what drivers cannot do, and what they cannot do yet.
func (p *Plan) checkDrivers() []*Error {
	d := p.Drivers
	if n := p.Gates.LostDrivers; n > 0 && n >= d.Count {
		return []*Error{p.wrong("gates.lost_drivers", fmt.Sprintf("%d drivers may be lost, of %d: then nobody is left", n, d.Count), "let at least one be left, or leave lost_drivers out")}
	}
	if !d.Asked() {
		if d.On != "" {
			return []*Error{p.wrong("drivers.count", "drivers have a place and are none", "say how many, e.g. drivers: {count: 3}")}
		}
		return nil
	}
	var found []*Error
	refuse := func(path, message, remedy string) { found = append(found, p.wrong(path, message, remedy)) }
	if host := cmp.Or(p.Host, AutoHost); d.On != "" && d.On != host && (host != AutoHost || slices.Contains(driverPlaces, d.On) && !slices.Contains(p.words().Hosts, d.On)) {
		refuse("drivers.on", fmt.Sprintf("drivers on %s are not possible where the nodes are on %s: they are launched beside the nodes so far", d.On, host), "leave on out")
	}
	if p.Target.Attach.Asked() {
		refuse("drivers", "drivers cannot drive a deployment that is attached to yet", "leave drivers out")
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
