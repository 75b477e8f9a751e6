package foreign

import (
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
	now      int64 // time of the last entry
	latest   int64 // greatest time
	backward int   // line at which times first went back

	open      map[int64]int32 // process → pending
	pending   []pending
	free      []int32
	logical   map[int64]uint32 // process → 1 + Op.Process; 0: its next operation begins another
	processes uint32           // numbers given out from firstProcess on
	nodes     map[string]int8
	elements  []int64 // arena
	keys      map[uint32]struct{}
	faults    faults
	finals    bool // the history says which reads are final
	strings   pieces
}

// pending is an operation that was invoked and has not completed.
type pending struct {
	op       history.Op
	line     int
	function string
	action   action
}

func newBuilder(name string, s surveyed) *builder {
	b := &builder{name: name, surveyed: s, names: &Names{}, open: map[int64]int32{}, logical: map[int64]uint32{},
		nodes: map[string]int8{}, keys: map[uint32]struct{}{}, log: &history.Log{}}
	if s.meta != nil {
		for _, n := range s.meta.Nodes {
			b.node([]byte(n))
		}
	}
	return b
}

// take adds an entry.
func (b *builder) take(e *entry) error {
	b.count++
	if err := b.clock(e); err != nil {
		return err
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

// stepNanos is what an entry without a time counts for: a millisecond, so that
// messages, which tell times in seconds with three digits, tell the entry.
const stepNanos = 1_000_000

// maxNanos bounds times: 73 years.
const maxNanos = 1 << 61

// clock finds the entry's time, and holds its index against the last one.
func (b *builder) clock(e *entry) error {
	if e.hasIndex {
		if b.indexed && e.index <= b.index {
			return errorAt(b.name, e.line, "%s has index %d, but the entry before has %d: each index may be there once, in order",
				who(e), e.index, b.index)
		}
		b.indexed, b.index = true, e.index
	}
	switch {
	case b.timed && e.hasTime:
		if e.time > maxNanos || e.time < -maxNanos {
			return errorAt(b.name, e.line, "%s has time %d; expected nanoseconds", who(e), e.time)
		}
		b.now = e.time - b.base
	case b.timed && e.bystander: // it tells none: that of the entry before
	case b.timed:
		return errorAt(b.name, e.line, "%s has no :time, though entries before have one", who(e))
	case e.hasIndex && e.index < maxNanos/stepNanos:
		b.now = e.index * stepNanos
	default:
		b.now = max(b.now, b.count*stepNanos)
	}
	if b.now < b.latest && b.backward == 0 {
		b.backward = e.line
	}
	b.latest = max(b.latest, b.now)
	return nil
}

func who(e *entry) string {
	if e.bystander {
		return "the nemesis"
	}
	return fmt.Sprintf("process %d", e.process)
}

func (b *builder) action(e *entry) (action, error) {
	if a, ok := b.model.actions[string(e.function)]; ok {
		return a, nil
	}
	if b.model.workload == "append" && e.transaction() {
		return txn, nil
	}
	if why := notSupported[string(e.function)]; why != "" {
		return action{}, errorAt(b.name, e.line, "%s", why)
	}
	known := slices.Sorted(maps.Keys(b.model.actions))
	return action{}, errorAt(b.name, e.line, ":%s of process %d is no operation of the model %s, which has :%s; see --model",
		e.function, e.process, b.model.name, strings.Join(known, ", :"))
}

func (b *builder) invoke(e *entry) error {
	if at, ok := b.open[e.process]; ok {
		p := &b.pending[at]
		return errorAt(b.name, e.line, "process %d invokes :%s while its :%s of line %d has not completed", e.process, e.function, p.function, p.line)
	}
	a, err := b.action(e)
	if err != nil {
		return err
	}
	at := int32(len(b.pending))
	if n := len(b.free); n > 0 {
		at, b.free = b.free[n-1], b.free[:n-1]
	} else {
		b.pending = append(b.pending, pending{})
	}
	p := &b.pending[at]
	*p = pending{line: e.line, action: a, function: b.function(e.function, p.function)}
	p.op = history.Op{Kind: a.kind, Start: b.now, Intended: b.now, Value: history.Nil, Node: -1,
		Process: b.process(e.process), Worker: uint16(min(at, 1<<16-1)), Flags: e.flags}
	if e.late && e.intended-b.base <= b.now {
		p.op.Intended = e.intended - b.base
	}
	b.finals = b.finals || e.final
	if err := b.ask(p, e); err != nil {
		return err
	}
	b.open[e.process] = at
	return nil
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

// firstProcess is the first number for processes that have none of their own:
// because it is too large, or because of an unknown outcome before, after
// which a process is another.
const firstProcess = 1 << 31

// process is the logical process.
func (b *builder) process(of int64) uint32 {
	id, ok := b.logical[of]
	if !ok || id == 0 {
		if id = uint32(of) + 1; ok || of < 0 || of >= firstProcess {
			id = firstProcess + 1 + b.processes
			b.processes++
		}
		b.logical[of] = id
	}
	return id - 1
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
	at, ok := b.open[e.process]
	if !ok {
		return errorAt(b.name, e.line, "process %d completes :%s (:%s), which it has not invoked", e.process, e.function, e.kind)
	}
	p := &b.pending[at]
	if string(e.function) != p.function {
		return errorAt(b.name, e.line, "process %d completes :%s, but what it invoked at line %d is :%s", e.process, e.function, p.line, p.function)
	}
	op := &p.op
	if op.End = b.now; op.End < op.Start {
		return errorAt(b.name, e.line, "process %d completes :%s before it invoked it at line %d", e.process, e.function, p.line)
	}
	op.Flags |= e.flags
	b.finals = b.finals || e.final
	if e.node != nil {
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
	delete(b.open, e.process)
	b.free = append(b.free, at)
	b.record(p, e.process)
	return nil
}

// record adds a completed operation.
func (b *builder) record(p *pending, process int64) {
	if p.op.Outcome == history.Unknown {
		b.logical[process] = 0
	}
	if p.action.kind != history.Txn {
		b.keys[p.op.Key] = struct{}{}
	}
	if b.model.name == "kv" {
		b.strings.note(len(b.log.Ops), p)
	}
	b.log.Ops = append(b.log.Ops, p.op)
}

// finish ends the history.
func (b *builder) finish() error {
	b.abandon()
	if b.model.name == "kv" {
		b.strings.resolve(b)
	}
	if len(b.log.Ops) == 0 {
		return fmt.Errorf("%s: it holds no operation of a client that can be judged", b.name)
	}
	history.Sort(b.log.Ops)
	b.describe()
	if !b.finals && (b.model.workload == "set" || b.model.workload == "counter") {
		b.markFinals()
	}
	switch {
	case !b.timed:
		b.note("it tells no times: each entry counts as one millisecond, so that 0.042 s is entry 42")
	case b.backward > 0:
		b.note("times go back at line %d: they count, and not the order of the lines", b.backward)
	}
	return nil
}

// abandon ends what never completed: its outcome is unknown.
func (b *builder) abandon() {
	left := slices.SortedFunc(maps.Keys(b.open), func(x, y int64) int { return b.pending[b.open[x]].line - b.pending[b.open[y]].line })
	for _, process := range left {
		p := &b.pending[b.open[process]]
		p.op.End, p.op.Error = max(b.latest, p.op.Start), history.ErrTimeout
		b.record(p, process)
	}
	if n := len(left); n > 0 {
		b.note("%d operations never completed; their outcome is unknown", n)
	}
}

// describe makes the history's description.
func (b *builder) describe() {
	meta := &b.log.Meta
	if meta.Run = strings.TrimSuffix(b.name, ".edn"); b.surveyed.meta != nil {
		*meta = *b.surveyed.meta
		return
	}
	if len(meta.Nodes) == 0 {
		meta.Nodes = []string{"system"} // which of its nodes the history does not tell
		for i := range b.log.Ops {
			b.log.Ops[i].Node = 0
		}
	}
	keys := 0
	for k := range b.keys {
		if k >= firstKeyName {
			keys = len(b.keys)
			break
		}
		keys = max(keys, int(k)+1)
	}
	meta.Workloads = []history.WorkloadMeta{{Name: b.model.workload, Type: b.model.workload, Keys: max(keys, 1), Workers: min(max(len(b.pending), 1), 1<<16)}}
}

// markFinals takes the reads that began after the last acknowledged addition
// for final ones, as Jepsen's own tests of sets and counters do.
func (b *builder) markFinals() {
	last := map[uint32]int64{}
	for i := range b.log.Ops {
		if op := &b.log.Ops[i]; op.Outcome == history.OK && (op.Kind == history.Add || op.Kind == history.Increment) {
			last[op.Key] = max(last[op.Key], op.End)
		}
	}
	marked := 0
	for i := range b.log.Ops {
		op := &b.log.Ops[i]
		end, ok := last[op.Key]
		if ok && op.Start > end && op.Outcome == history.OK && (op.Kind == history.ReadSet || op.Kind == history.Read) {
			op.Flags |= history.FinalRead
			marked++
		}
	}
	if marked > 0 {
		b.note("reads that began after the last acknowledged addition to what they read count as final reads, which tell what is lost: %d here", marked)
	}
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}
