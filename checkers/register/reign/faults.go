package reign

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// fault takes that a fault took effect on some victims.
func (d *reader) fault(e *history.Event) {
	name := history.FaultKind(e.Name)
	kind, known := faults.Lookup(name)
	f := d.faults[e.Fault]
	if f == nil {
		f = &fault{window: Window{Begin: e.At, End: kit.Never, Text: fmt.Sprintf("the %s at %s", e.Name, units.Instant(e.At))}}
		d.faults[e.Fault] = f
	}
	f.stops = !known || kind.Hold == faults.Down
	// Who is cut off by a fault of the network its victims do not tell.
	f.hits = f.hits || !known || kind.Steps != nil || d.r.peers
	for _, name := range e.Nodes {
		i, ok := d.index[name]
		if !ok || slices.Contains(f.victims, name) {
			continue
		}
		n := &d.nodes[i]
		f.victims = append(f.victims, name)
		n.hit, n.died = e.At, kit.Never
		f.hits = f.hits || n.role == rolePrimary
		if f.stops {
			n.down++
		}
	}
	if e.Failed { // it may have taken effect here and there
		d.heal(e)
		return
	}
	d.count(e.At, e.At)
}

// heal takes the end of a fault on some of its victims, or on all.
func (d *reader) heal(e *history.Event) {
	f := d.faults[e.Fault]
	if f == nil {
		return
	}
	f.window.End = e.At + startup
	healed := e.Nodes
	if len(healed) == 0 {
		healed = slices.Clone(f.victims)
	}
	for _, name := range healed {
		at := slices.Index(f.victims, name)
		if at < 0 {
			continue
		}
		f.victims = slices.Delete(f.victims, at, at+1)
		if f.stops {
			i := d.index[name]
			d.nodes[i].down--
			d.cut(i, e.At, e.At+startup)
			d.killed(i, e.At)
		}
	}
	if len(f.victims) == 0 {
		d.close(f)
		delete(d.faults, e.Fault)
	}
	d.count(e.At, e.At)
}

// close takes the window of a fault. Peers may give up what they hold when they
// see each other again, and no event tells when they have: the cluster has to
// settle.
func (d *reader) close(f *fault) {
	if !f.hits {
		return
	}
	if d.r.peers {
		f.window.End = kit.Never // finish knows when
	}
	d.r.windows = append(d.r.windows, f.window)
}
