// Package cost checks what acknowledged writes cost: processor time, bytes and
// memory of the nodes, and money; and how busy the machine was with it.
package cost

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

// Checker measures the cost of the measured phase.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name: "cost",
		Facts: []checkers.Fact{
			{Name: "cost.cpu.per_write", Unit: checkers.Nanos, Meaning: "processor time of all nodes in the measured phase for each write that was acknowledged in it; what reads took is in it"},
			{Name: "cost.network.per_write", Unit: checkers.Bytes, Meaning: "bytes into and out of all nodes in the measured phase for each acknowledged write; what one node sends another counts at both"},
			{Name: "cost.disk.per_write", Unit: checkers.Bytes, Meaning: "bytes that all nodes sent to storage in the measured phase for each acknowledged write; nothing where the data is in memory, as on tmpfs"},
			{Name: "cost.syncs.per_write", Unit: checkers.Mean, Meaning: "times that all servers made sure of what they had written, as they say, in the measured phase for each acknowledged write"},
			{Name: "cost.memory", Unit: checkers.Bytes, Meaning: "greatest memory of all nodes together in the measured phase, anonymous and shared, as sampled four times a second"},
			{Name: "cost.money.per_million", Unit: checkers.Money, Meaning: "what a million acknowledged writes cost by the plan's prices"},
			{Name: "cost.<node>.cpu", Unit: checkers.Nanos, Meaning: "processor time of this node in the measured phase"},
			{Name: "cost.<node>.memory", Unit: checkers.Bytes, Meaning: "greatest memory of this node in the measured phase, as sampled four times a second"},
			{Name: "cost.<node>.disk", Unit: checkers.Bytes, Meaning: "bytes that this node sent to storage in the measured phase"},
			{Name: "cost.<node>.network", Unit: checkers.Bytes, Meaning: "bytes into and out of this node in the measured phase"},
			{Name: "machine.cpu.used", Unit: checkers.Ratio, Better: checkers.Neither, Meaning: "share of the time of all the machine's processors that was used in the measured phase, by whomever: near 1 the machine is the limit"},
			{Name: "machine.cpu.others", Unit: checkers.Ratio, Better: checkers.Neither, Meaning: "share of the time of all the machine's processors that neither the nodes nor the harness used: others, and the kernel for all"},
			{Name: "machine.cpu.steal", Unit: checkers.Ratio, Better: checkers.Neither, Meaning: "share of the time of all the machine's processors that the hypervisor gave to other machines"},
		},
		Check:  checkers.CheckBy(follow),
		Follow: follow,
	}
}

const (
	notSampled = "nobody sampled what the nodes took: it is a history from elsewhere, or of a version before"
	noWrites   = "no write was acknowledged in the measured phase"
)

// tally needs of the operations how many writes were acknowledged.
type tally struct {
	log      *history.Log
	measured kit.Stretch
	acked    int
	nodes    [][]usage.Sample
}

func follow(in checkers.Input) checkers.Follower { return newTally(in.Log) }

func newTally(log *history.Log) *tally {
	t := &tally{log: log, measured: kit.NewTimeline(log).Measured, nodes: make([][]usage.Sample, len(log.Meta.Nodes))}
	for i := range t.nodes {
		t.nodes[i] = usage.Of(log.Usage, i)
	}
	return t
}

func (t *tally) Add(op *history.Op) {
	end := kit.Until(op)
	if op.Outcome == history.OK && op.Kind.Writes() && op.Kind.Load() && t.measured.Begin <= end && end <= t.measured.End {
		t.acked++
	}
}

func (*tally) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }

func (t *tally) Judge(context.Context) checkers.Result {
	cpu, network, disk, syncs := t.all(usage.CPU), t.network(), t.all(usage.DiskWritten), t.syncs()
	memory := t.memory()
	values := []checkers.Value{
		t.perWrite("cost.cpu.per_write", cpu), t.perWrite("cost.network.per_write", network), t.perWrite("cost.disk.per_write", disk),
		t.perWrite("cost.syncs.per_write", syncs), memory.value("cost.memory"), t.money(cpu, disk, memory),
	}
	for i, node := range t.log.Meta.Nodes {
		prefix := "cost." + node + "."
		values = append(values, t.node(i, usage.CPU).value(prefix+"cpu"), t.nodeMemory(i).value(prefix+"memory"),
			t.node(i, usage.DiskWritten).value(prefix+"disk"), t.nodeNetwork(i).value(prefix+"network"))
	}
	return checkers.Result{Values: append(values, t.machine()...)}
}

// amount is how much of something was used: between two bounds, of which the upper
// may be infinite. A why says that it is unknown.
type amount struct {
	least, most float64
	why         string
}

func unknown(why string) amount { return amount{why: why} }

// plus adds up; what is unknown of a part is unknown of the sum.
func (a amount) plus(b amount) amount {
	if a.why != "" || b.why != "" {
		if a.why == "" {
			a.why = b.why
		}
		return unknown(a.why)
	}
	return amount{least: a.least + b.least, most: a.most + b.most}
}

// times is so many of it.
func (a amount) times(n float64) amount { return amount{a.least * n, a.most * n, a.why} }

const sampled = "between two samples, four a second"

func (a amount) value(name string) checkers.Value {
	switch {
	case a.why != "":
		return checkers.Value{Name: name, Why: a.why}
	case math.IsInf(a.most, 1):
		return checkers.Value{Name: name, N: a.least, Known: true, AtLeast: true, Why: "at least; nothing was sampled after the measured phase, or before, or a server took its own count with it"}
	}
	return kit.Between(name, a.least, a.most, sampled)
}

// within is how much one of the subjects took of something in the measured phase.
func (t *tally) within(of []usage.Sample, f usage.Figure, who string) amount {
	if len(t.log.Usage) == 0 {
		return unknown(notSampled)
	}
	least, most, bounded, ok := usage.Within(of, f, t.measured.Begin, t.measured.End)
	switch {
	case !ok:
		return unknown(fmt.Sprintf("%s does not tell it (%s)", who, f))
	case !bounded:
		return amount{least: float64(least), most: math.Inf(1)}
	}
	return amount{least: float64(least), most: float64(most)}
}

func (t *tally) node(i int, f usage.Figure) amount {
	return t.within(t.nodes[i], f, t.log.Meta.Nodes[i])
}

// all is the sum of all nodes.
func (t *tally) all(f usage.Figure) amount { return t.sum(func(i int) amount { return t.node(i, f) }) }

func (t *tally) sum(of func(node int) amount) (sum amount) {
	if len(t.nodes) == 0 {
		return unknown(notSampled)
	}
	for i := range t.nodes {
		sum = sum.plus(of(i))
	}
	return sum
}

// syncs are what the servers count. What came before the end of one, since it was
// last asked, is in no count: then there were more.
func (t *tally) syncs() amount {
	return t.sum(func(i int) amount {
		a := t.node(i, usage.Syncs)
		if a.why == "" && t.ended(t.log.Meta.Nodes[i]) {
			a.most = math.Inf(1)
		}
		return a
	})
}

// ended tells whether a node's server ended by the end of the measured phase.
func (t *tally) ended(node string) bool {
	return slices.ContainsFunc(t.log.Events, func(e history.Event) bool {
		return e.Kind == history.EventExit && e.Node == node && e.At >= t.measured.Begin && e.At <= t.measured.End
	})
}

func (t *tally) network() amount { return t.sum(t.nodeNetwork) }

// nodeNetwork leaves at the lower bound out what may be headers of the control channel.
func (t *tally) nodeNetwork(i int) amount {
	a := t.node(i, usage.NetIn).plus(t.node(i, usage.NetOut))
	doubt := t.node(i, usage.NetDoubt)
	if a.why == "" && doubt.why == "" {
		a.least = max(a.least-doubt.most, 0)
	}
	return a
}

func (t *tally) nodeMemory(i int) amount {
	if len(t.log.Usage) == 0 {
		return unknown(notSampled)
	}
	greatest, ok := usage.Greatest(t.nodes[i], usage.Memory, t.measured.Begin, t.measured.End)
	if !ok {
		return unknown(fmt.Sprintf("%s does not tell it (%s)", t.log.Meta.Nodes[i], usage.Memory))
	}
	return amount{least: float64(greatest), most: float64(greatest)}
}

// memory is the greatest sum of what the nodes last told.
func (t *tally) memory() amount {
	if a := t.sum(t.nodeMemory); a.why != "" {
		return a
	}
	last, greatest := make([]int64, len(t.nodes)), int64(0)
	for i := range t.log.Usage {
		s := &t.log.Usage[i]
		if s.At < t.measured.Begin || s.At > t.measured.End {
			continue
		}
		if s.Node >= 0 && s.Node < len(last) && s.Set[usage.Memory] != usage.Unknown {
			last[s.Node] = s.Set[usage.Memory]
		}
		if i+1 < len(t.log.Usage) && t.log.Usage[i+1].At == s.At {
			continue // of the same instant
		}
		sum := int64(0)
		for _, n := range last {
			sum += n
		}
		greatest = max(greatest, sum)
	}
	return amount{least: float64(greatest), most: float64(greatest)}
}

// perWrite is an amount for each acknowledged write.
func (t *tally) perWrite(name string, a amount) checkers.Value {
	if a.why == "" && t.acked == 0 {
		a.why = noWrites
	}
	if a.why != "" {
		return checkers.Value{Name: name, Why: a.why}
	}
	v := a.times(1 / float64(t.acked)).value(name)
	if t.log.Torn { // there were more writes, and the samples may go on
		v = checkers.Value{Name: name, Why: kit.TornWhy}
	}
	return v
}

// money is what the plan's prices make of it.
func (t *tally) money(cpu, disk, memory amount) checkers.Value {
	const name, million, giga = "cost.money.per_million", 1e6, 1e9
	p := t.log.Prices
	if !p.Any() {
		return checkers.Value{Name: name, Why: "the plan tells no prices (prices: {cpu_hour: 0.04})"}
	}
	hour := float64(time.Hour)
	var sum amount
	for _, part := range []struct {
		price, unit float64
		of          amount
	}{
		{p.CPUHour, hour, cpu},
		{p.MemoryGBHour, giga * hour, memory.times(float64(kit.Span(t.measured.End, t.measured.Begin)))},
		{p.GBMonth, giga, disk},
		{p.NetworkGB, giga, t.sent()},
	} {
		if part.price > 0 {
			sum = sum.plus(part.of.times(part.price / part.unit))
		}
	}
	return t.perWrite(name, sum.times(million))
}

// sent is what the nodes sent; headers of the control channel may be in it.
func (t *tally) sent() amount {
	return t.sum(func(i int) amount {
		a, doubt := t.node(i, usage.NetOut), t.node(i, usage.NetDoubt)
		if a.why == "" && doubt.why == "" {
			a.least = max(a.least-doubt.most, 0)
		}
		return a
	})
}
