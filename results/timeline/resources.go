package timeline

import (
	"math"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

// mostSamples bounds how many samples of each node a page has.
const mostSamples = 1200

// resources are what nodes took of their machine, in steps of equal width.
type Resources struct {
	First float64        `json:"first"` // where the first step begins, seconds of the run's clock
	Width float64        `json:"width"`
	Nodes []nodeResource `json:"nodes"`
}

// nodeResource is one node's: rates are of the step, memory is the greatest in it.
type nodeResource struct {
	Node    string `json:"node"`
	CPU     Column `json:"cpu"`     // processors
	Memory  Column `json:"memory"`  // bytes
	Network Column `json:"network"` // bytes a second, in and out
	Storage Column `json:"storage"` // bytes a second, read and written
}

// resourcesOf are nil if nothing was sampled.
func resourcesOf(log *history.Log) *Resources {
	if len(log.Usage) == 0 {
		return nil
	}
	first, last := log.Usage[0].At, log.Usage[0].At
	for i := range log.Usage {
		first, last = min(first, log.Usage[i].At), max(last, log.Usage[i].At)
	}
	width := int64(1e9 / usage.PerSecond)
	for (last-first)/width >= mostSamples {
		width *= 2
	}
	r := &Resources{First: float64(first) / 1e9, Width: float64(width) / 1e9}
	for i, node := range log.Meta.Nodes {
		of := usage.Of(log.Usage, i)
		if len(of) == 0 {
			continue
		}
		g := grid{first, width, int((last-first)/width) + 1}
		n := nodeResource{Node: node, Memory: unmeasured(g.n)}
		n.CPU = g.rate(of, 1e-9, usage.CPU)
		n.Network = g.rate(of, 1, usage.NetIn, usage.NetOut)
		n.Storage = g.rate(of, 1, usage.DiskRead, usage.DiskWritten)
		for k := range of {
			if m := of[k].Set[usage.Memory]; m != usage.Unknown {
				n.Memory.raise(g.step(of[k].At), float64(m))
			}
		}
		r.Nodes = append(r.Nodes, n)
	}
	if len(r.Nodes) == 0 {
		return nil
	}
	return r
}

// grid is time in equal steps.
type grid struct {
	first, width int64
	n            int
}

func (g grid) step(at int64) int64 { return min(max((at-g.first)/g.width, 0), int64(g.n-1)) }

// rate is by how much figures together grew a second: the growth between two samples is
// spread evenly over the steps that lie between them.
func (g grid) rate(of []usage.Sample, scale float64, figures ...usage.Figure) Column {
	c := unmeasured(g.n)
	for _, f := range figures {
		var before *usage.Sample
		for i := range of {
			s := &of[i]
			if s.Set[f] == usage.Unknown {
				continue
			}
			if before != nil && s.At > before.At {
				grown := max(float64(s.Set[f]-before.Set[f]), 0) * scale * 1e9 / float64(s.At-before.At)
				g.spread(c, before.At, s.At, grown)
			}
			before = s
		}
	}
	return c
}

// spread adds a rate to the steps between two instants, to each by its share.
func (g grid) spread(c Column, from, to int64, rate float64) {
	for b := g.step(from); b <= g.step(to); b++ {
		begin, end := max(from, g.first+b*g.width), min(to, g.first+(b+1)*g.width)
		if end <= begin {
			continue
		}
		share := rate * float64(end-begin) / float64(g.width)
		if math.IsNaN(c[b]) {
			c[b] = 0
		}
		c[b] += share
	}
}
