// Package plan is the language of plans: keys told once in tables, read from
// YAML with the place of every mistake, set, varied, checked and written again.
package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// None, in a numeric or duration field of a plan made in Go whose default is
// not zero, says that zero is meant: no replicas, no warm-up, no wait before
// failing over, no minimum of operations.
const None = schema.None

// Plan says all of a run. Make one with Parse, or fill one in and call
// Validate, which also applies the defaults: a zero field then takes its
// default, and None stands for a zero that is meant.
type Plan struct {
	Name      string
	About     string
	Seed      uint64 // 0 after parsing means: choose one
	Host      string // auto, docker, local
	For       Scope
	Target    Target
	Drivers   attach.Drivers
	Workloads []workloads.Spec
	Load      []pace.Phase // of every workload that has no load or rate of its own
	Warmup    time.Duration
	Duration  time.Duration // of the measured phase
	Settle    time.Duration // at most this long until the healed cluster is healthy
	Faults    []faults.Spec
	WAN       map[string]string // see faults.ParseWAN; empty: all are side by side
	Claims    []string
	StopOn    string // never, violated
	Gates     Gates
	Timeouts  Timeouts
	Prices    map[string]string // see PriceTable
	Vary      []Vary            // in the file's order
	Repeat    int               // runs of each variant; 0 means one
	Find      Find
	Control   Control
	Study     question.Study

	source *source // what it was read from; nil for a plan made in Go
	normal bool    // defaults are applied; a zero is meant
}

// Scope is a plan's `for`: what its claims are about.
type Scope struct {
	Version string // a range of the target's versions, "<11.6"; empty: all
}

// Target is a plan's `target`.
type Target struct {
	Name     string
	Version  string            // "17", "3.10"; empty: on docker the newest that is tested, else what is installed
	Versions map[string]string // of nodes that start with another one, by their names
	Image    string            // docker: overrides the target's own
	Replicas int               // besides the primary
	Spares   int               // nodes that are launched and are no members until they join
	Memory   schema.Bytes      // of each node; 0: no limit but the machine's
	CPUs     float64           // processors' worth of time of each node; 0: no limit but the machine's
	Disk     Disk              // what the data directories are on
	Options  map[string]string
	Failover Failover
	Attach   attach.Attach // a deployment that somebody else runs; Replicas follows from it
	Connect  attach.Connect
	// Own is a system of one's own, in place of one that is built in. It is no key:
	// only a plan made in Go has it, see targets/own. Name may be left out.
	Own targets.Target
}

// Failover sets the operator that promotes when the primary is gone.
type Failover struct {
	After  time.Duration // how long the primary must be gone
	Choose string        // most-advanced, least-advanced, random, none
}

// Gates guard against empty passes.
type Gates struct {
	MinOps int // acknowledged operations, else the verdict is unknown
	// RandomFaults is how many percent of the faults of each repeated entry have to
	// take effect, else the verdict is unknown. One at an instant of its own has to.
	RandomFaults int
	// LostDrivers is how many drivers of the load may be lost, else the verdict is unknown.
	LostDrivers int
}

// Timeouts bound the clients' calls.
type Timeouts struct {
	Connect   time.Duration
	Operation time.Duration
}

// Vary is one varied path and its values: one run for each combination. Those
// that say Zip have lists of equal length and are walked together: they take
// their first values at once, then their second ones.
type Vary struct {
	Path   string
	Values []string
	Zip    bool
}

// Words is the target with the options that the plan sets.
func (t Target) Words() string {
	var options []string
	for name, value := range t.Options {
		options = append(options, name+"="+value)
	}
	slices.Sort(options)
	return strings.TrimSpace(t.Name + " " + strings.Join(options, " "))
}

// Control is a plan's negative control: the same plan with some values set, in
// which claims have to be violated. A pass of a plan that cannot fail means
// nothing. Without Violates there is none.
type Control struct {
	Set      map[string]string // by path, as Override says
	Violates []string          // of the plan's claims, all of which have to be violated
}

// NodeNames are the nodes that the plan's run will have: n1, n2, … of those that
// are launched, the spares last.
func (p *Plan) NodeNames() []string {
	if p.Target.Attach.Asked() {
		return p.Target.Attach.NodeNames(nodeName)
	}
	names := make([]string, 1+p.Target.Replicas+p.Target.Spares)
	for i := range names {
		names[i] = nodeName(i)
	}
	return names
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

// Clone is a copy that shares nothing with the plan that a change of either
// could show in the other.
func (p *Plan) Clone() *Plan {
	c := *p
	c.Target.Options = maps.Clone(p.Target.Options)
	c.Target.Attach, c.Target.Connect = p.Target.Attach.Clone(), p.Target.Connect.Clone()
	c.Drivers = p.Drivers.Clone()
	c.Workloads = slices.Clone(p.Workloads)
	for i := range c.Workloads {
		c.Workloads[i].Mix, c.Workloads[i].Load = maps.Clone(c.Workloads[i].Mix), slices.Clone(c.Workloads[i].Load)
		c.Workloads[i].Value.Sizes = maps.Clone(c.Workloads[i].Value.Sizes)
	}
	c.Load = slices.Clone(p.Load)
	c.Faults = cloneFaults(p.Faults)
	c.Prices, c.WAN = maps.Clone(p.Prices), maps.Clone(p.WAN)
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

// Error is one mistake in a plan: where it is, what is wrong and how to mend it. It
// wraps failure.ErrInput.
type Error = yamltree.Error
