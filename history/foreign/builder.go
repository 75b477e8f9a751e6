package foreign

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// builder makes a history of entries.
type builder struct {
	name string
	surveyed
	log   *history.Log
	names *Names
	notes []string

	count    int64 // entries
	indexed  bool
	index    int64 // of the last entry that has one
	now      int64 // stamp of the last entry
	begun    bool  // there was an entry
	last     int64 // time of the last entry, its line, and whether all had the same
	lastLine int
	allTied  bool
	anyTime  bool // some entry has a time

	processes
	open      map[int64]int32 // process → pending
	untold    []int32         // pending of those that tell no process, the earliest first
	pending   []pending
	free      []int32
	invoked   bool // some client invoked something
	nodes     map[string]int8
	elements  []int64 // arena
	keys      map[uint32]struct{}
	faults    faults
	size      history.Size
	origin    int64  // the first stamp
	beginless string // why it is not known when operations began
	crashes   int    // that were passed over
	finals    bool   // the history says which reads are final
	strings   pieces
}

// pending is an operation that was invoked and has not completed.
type pending struct {
	op       history.Op
	line     int
	function string
	action   action
	process  int64
	untold   bool // its process is not told
}

func newBuilder(name string, s surveyed) *builder {
	b := &builder{name: name, surveyed: s, names: &Names{}, open: map[int64]int32{},
		processes: processes{named: map[string]int64{}, logical: map[int64]uint32{}},
		nodes:     map[string]int8{}, keys: map[uint32]struct{}{}, log: &history.Log{}}
	if s.initial != nil {
		b.names.begin(s.initial)
	}
	if s.meta != nil {
		for _, n := range s.meta.Nodes {
			b.node([]byte(n))
		}
	}
	return b
}

// add adds an entry.
func (b *builder) add(e *entry) error {
	b.count++
	if err := b.clock(e); err != nil {
		return err
	}
	if b.count == 1 {
		b.origin = b.now
	}
	if b.count%fitEntries == 0 {
		if err := b.fits(); err != nil {
			return err
		}
	}
	if e.bystander {
		b.bystander(e)
		return nil
	}
	if ignored[string(e.function)] {
		return nil
	}
	if e.kind == invoke {
		return b.invoke(e)
	}
	return b.complete(e)
}

func (b *builder) action(e *entry) (action, error) {
	if a, ok := b.model.actions[string(e.function)]; ok {
		return a, nil
	}
	if b.model.object == history.ObjectList && e.transaction() {
		return txn, nil
	}
	if why := notSupported[string(e.function)]; why != "" {
		return action{}, errorAt(b.name, e.line, "%s", why)
	}
	known := slices.Sorted(maps.Keys(b.model.actions))
	return action{}, errorAt(b.name, e.line, ":%s of %s is no operation of the model %s, which has :%s; see --model",
		e.function, who(e), b.model.name, strings.Join(known, ", :"))
}

func (b *builder) invoke(e *entry) error {
	process := b.processOf(e)
	if at, ok := b.open[process]; ok && !e.client.untold {
		p := &b.pending[at]
		return errorAt(b.name, e.line, "%s invokes :%s while its :%s of line %d has not completed", who(e), e.function, p.function, p.line)
	}
	b.invoked = true
	at, err := b.begin(e, process)
	if err != nil {
		return err
	}
	b.finals = b.finals || e.final
	if !e.client.untold {
		b.open[process] = at
		return nil
	}
	if b.untold = append(b.untold, at); len(b.untold) > mostUntold {
		return errorAt(b.name, e.line, "more than %d operations that tell no process are under way at once", mostUntold)
	}
	return nil
}

// processOf is the number of an entry's process; of one that tells none it is
// nothing.
func (b *builder) processOf(e *entry) int64 {
	if e.client.untold {
		return 0
	}
	return b.numberOf(&e.client)
}

// begin makes a pending operation of what an entry asks for.
func (b *builder) begin(e *entry, process int64) (int32, error) {
	a, err := b.action(e)
	if err != nil {
		return 0, err
	}
	at := int32(len(b.pending))
	if n := len(b.free); n > 0 {
		at, b.free = b.free[n-1], b.free[:n-1]
	} else {
		b.pending = append(b.pending, pending{})
	}
	p := &b.pending[at]
	*p = pending{line: e.line, action: a, function: b.function(e.function, p.function), process: process, untold: e.client.untold}
	p.op = history.Op{Kind: a.kind, Start: b.now, Intended: b.now, Value: history.Nil, Node: -1,
		Worker: uint16(min(at, 1<<16-1)), Flags: e.flags}
	if e.client.untold {
		p.op.Process = b.another()
	} else {
		p.op.Process = b.process(process, b.names)
	}
	if b.timed && e.late && e.intended-b.base <= b.now {
		p.op.Intended = e.intended - b.base
	}
	if err := b.ask(p, e); err != nil {
		b.free = append(b.free, at)
		return 0, err
	}
	return at, nil
}

// function is the string of a function, without making it anew.
func (b *builder) function(name []byte, before string) string {
	if string(name) == before {
		return before
	}
	for f := range b.model.actions {
		if string(name) == f {
			return f
		}
	}
	return string(name)
}

func (b *builder) node(name []byte) (int8, bool) {
	if i, ok := b.nodes[string(name)]; ok {
		return i, true
	}
	if len(b.nodes) > 127 {
		return -1, false
	}
	i := int8(len(b.nodes))
	b.nodes[string(name)] = i
	b.log.Meta.Nodes = append(b.log.Meta.Nodes, string(name))
	return i, true
}

func (b *builder) complete(e *entry) error {
	at, ok := b.open[b.processOf(e)]
	if e.client.untold {
		at, ok = b.matching(e)
	}
	if !ok && (e.kind == info || !b.invoked && b.model.object == history.ObjectList) {
		return b.uninvoked(e)
	}
	if !ok {
		return errorAt(b.name, e.line, "%s completes :%s (:%s), which it has not invoked", who(e), e.function, e.kind)
	}
	p := &b.pending[at]
	if string(e.function) != p.function {
		return errorAt(b.name, e.line, "%s completes :%s, but what it invoked at line %d is :%s", who(e), e.function, p.line, p.function)
	}
	return b.end(at, e)
}

// uninvoked takes an entry that completes what nobody invoked. A crash may be
// of anything: what it names, if it is an operation that writes, may have taken
// effect at any time. In a history that has only completions, as Elle takes
// them, each is an operation of its own, which began at some time before.
func (b *builder) uninvoked(e *entry) error {
	_, known := b.model.actions[string(e.function)]
	if e.kind == info && (!known && !e.transaction() || e.value.shape == nothing) {
		b.crashes++
		return nil
	}
	at, err := b.begin(e, b.processOf(e))
	if err != nil {
		if e.kind == info {
			b.crashes++
			return nil
		}
		return err
	}
	op := &b.pending[at].op
	op.Start, op.Intended = b.origin, b.origin
	if e.kind != info {
		b.unbegun("it has completions without invocations, so when operations began is not known")
	}
	return b.end(at, e)
}

// unbegun notes that it is not known when operations began. They count as begun
// at the earliest time that they may have.
func (b *builder) unbegun(why string) { b.beginless = cmp.Or(b.beginless, why) }

// end completes a pending operation.
func (b *builder) end(at int32, e *entry) error {
	p := &b.pending[at]
	op := &p.op
	op.End = b.now
	op.Flags |= e.flags
	b.finals = b.finals || e.final
	if e.node != nil {
		var ok bool
		if op.Node, ok = b.node(e.node); !ok {
			return errorAt(b.name, e.line, "more than 128 nodes")
		}
	}
	op.Outcome = [...]history.Outcome{succeed: history.OK, fail: history.Fail, info: history.Unknown}[e.kind]
	if op.Outcome != history.OK {
		op.Error = classify(e, op)
	}
	if err := b.tell(p, e); err != nil {
		return err
	}
	if !p.untold {
		delete(b.open, p.process)
	}
	b.free = append(b.free, at)
	b.record(p)
	return nil
}

// record adds a completed operation.
func (b *builder) record(p *pending) {
	if p.op.Outcome == history.Unknown && !p.untold {
		b.retire(p.process)
	}
	if p.action.kind != history.Txn {
		b.keys[p.op.Key] = struct{}{}
	}
	if b.model.name == "kv" {
		b.strings.note(len(b.log.Ops), p)
	}
	b.log.Ops = append(b.log.Ops, p.op)
	b.size.Ops++
	b.size.Elements += int64(len(p.op.Elements))
}

// fits is an error if the history has grown beyond the memory that there is.
func (b *builder) fits() error {
	size := b.size
	size.Elements += b.names.bytes() / 8
	if b.options.Fits != nil && !b.options.Fits(size) {
		return fmt.Errorf("%s: its first %d operations fill the memory that there is: say with --memory if it may take more", b.name, size.Ops)
	}
	return nil
}

// fitEntries is how many entries pass between two looks at the memory.
const fitEntries = 1 << 12
