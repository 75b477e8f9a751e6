// Package export writes our histories in the form of other tools, from which
// package foreign reads them again.
package export

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/foreign"
)

// Write writes one workload of a history as EDN, an operation a line, or as
// JSON, one array: invocations and completions in order of time, each with its
// index. foreign.Read gives back the same operations; what other tools have no word for
// stands in further keys, which they pass over. A history with one workload
// that can be exported needs no name of it. It takes 32 bytes per operation.
func Write(w io.Writer, log *history.Log, format foreign.Format, workload string) error {
	at, object, err := exported(log, workload)
	if err != nil {
		return err
	}
	x := &exporter{log: log, out: bufio.NewWriterSize(w, 1<<16), json: format == foreign.JSON,
		keyed: object != history.ObjectList && log.Meta.Workloads[at].Keys > 1}
	x.begin()
	meta := history.Meta{Run: log.Meta.Run, Nodes: log.Meta.Nodes, Workloads: log.Meta.Workloads[at : at+1]}
	if err := x.extra("meta", 0, foreign.Extra{Meta: &meta, Keyed: x.keyed, Torn: log.Torn}); err != nil {
		return err
	}
	if err := x.entries(uint8(at)); err != nil {
		return err
	}
	x.finish()
	if err := x.out.Flush(); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return nil
}

// exported finds the workload to export.
func exported(log *history.Log, name string) (at int, object history.Object, err error) {
	var can []string
	at = -1
	for i, w := range log.Meta.Workloads {
		if !foreign.Reads(w.ActsOn()) {
			if w.Name == name {
				return 0, "", fmt.Errorf("workload %s is of type %s, which other tools have no form for", name, w.Type)
			}
			continue
		}
		can = append(can, w.Name)
		if name == "" || w.Name == name {
			at = i
		}
	}
	switch {
	case at < 0 && name != "":
		return 0, "", fmt.Errorf("there is no workload %q; it has %s", name, strings.Join(can, ", "))
	case at < 0:
		return 0, "", fmt.Errorf("it has no workload that other tools have a form for")
	case name == "" && len(can) > 1:
		return 0, "", fmt.Errorf("it has several workloads; name one: %s", strings.Join(can, ", "))
	}
	return at, log.Meta.Workloads[at].ActsOn(), nil
}

// exporter writes entries.
type exporter struct {
	log     *history.Log
	out     *bufio.Writer
	json    bool
	keyed   bool
	index   int
	started bool
	line    []byte
	parts   map[int32]int64 // processes of reads that are part of a scan
}

// moment is an invocation, a completion or an event, and when it was.
type moment struct {
	at   int64
	what int32 // index into the log's Ops or Events
	kind int8
}

// The kinds of moments, in the order of those at one time: what happened at
// one time is concurrent, so that completions stand after invocations.
const (
	atEvent int8 = iota
	atInvoke
	atComplete
	atInvokeNext // of a process that completes an operation at this time
)

func (x *exporter) entries(workload uint8) error {
	var all []moment
	ends := map[int64]int64{} // process → end of its last operation
	x.parts = processesOfParts(x.log)
	for i := range x.log.Ops {
		op := &x.log.Ops[i]
		if op.Workload != workload {
			continue
		}
		kind := atInvoke
		process := x.process(op, int32(i))
		if end, ok := ends[process]; ok && end == op.Start {
			kind = atInvokeNext
		}
		ends[process] = op.End
		last := atComplete
		if op.End == op.Start && kind == atInvokeNext {
			last = atInvokeNext // behind its invocation: the sort is stable
		}
		all = append(all, moment{op.Start, int32(i), kind}, moment{op.End, ^int32(i), last})
	}
	for i := range x.log.Events {
		all = append(all, moment{x.log.Events[i].At, int32(i), atEvent})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind)) })
	for _, m := range all {
		switch {
		case m.kind == atEvent:
			e := &x.log.Events[m.what]
			if err := x.extra(string(e.Kind), e.At, foreign.Extra{Event: e}); err != nil {
				return err
			}
		case m.what < 0:
			x.operation(^m.what, true)
		default:
			x.operation(m.what, false)
		}
		if _, err := x.out.Write(nil); err != nil {
			return fmt.Errorf("write the history: %w", err)
		}
	}
	return nil
}

// functions are those of operations.
var functions = map[history.Kind]string{
	history.Read: "read", history.Write: "write", history.CAS: "cas", history.Add: "add", history.ReadSet: "read",
	history.Enqueue: "enqueue", history.Dequeue: "dequeue", history.Drain: "drain", history.Txn: "txn",
	history.Increment: "add", history.Generate: "generate",
}

// processesOfParts gives the reads that a scan consists of, by their indexes, each a
// process of its own beside that of the scan: other tools have processes that do one
// thing at a time.
func processesOfParts(log *history.Log) map[int32]int64 {
	type call struct {
		process uint32
		start   int64
	}
	last, parts, read := int64(0), map[int32]int64{}, map[call]int64{}
	for i := range log.Ops {
		last = max(last, int64(log.Ops[i].Process))
	}
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Flags&history.Part != 0 {
			of := call{op.Process, op.Start}
			read[of]++
			parts[int32(i)] = last + (last+1)*(read[of]-1) + int64(op.Process) + 1
		}
	}
	return parts
}

func (x *exporter) process(op *history.Op, i int32) int64 {
	if process, ok := x.parts[i]; ok {
		return process
	}
	return int64(op.Process)
}

func (x *exporter) operation(i int32, done bool) {
	op := &x.log.Ops[i]
	function, ok := functions[op.Kind]
	if !ok {
		return // no kind of this workload
	}
	kind, at := "invoke", op.Start
	if done {
		at = op.End
		kind = map[history.Outcome]string{history.OK: "ok", history.Fail: "fail", history.Unknown: "info"}[op.Outcome]
	}
	x.open()
	x.field("index", true)
	x.int(int64(x.index))
	x.field("type", false)
	x.word(kind)
	x.field("process", false)
	x.int(x.process(op, i))
	x.field("f", false)
	x.word(function)
	x.field("value", false)
	if x.keyed {
		x.raw("[")
		x.int(int64(op.Key))
		x.comma()
	}
	x.value(op, kind)
	if x.keyed {
		x.raw("]")
	}
	x.field("time", false)
	x.int(at)
	x.ours(op, done)
	x.close()
}

// ours writes what other tools pass over.
func (x *exporter) ours(op *history.Op, done bool) {
	if !done {
		if op.Intended != op.Start {
			x.field(foreign.KeyIntended, false)
			x.int(op.Intended)
		}
		return
	}
	if op.Outcome != history.OK {
		x.field("error", false)
		x.word(op.Error.String())
	}
	if op.Flags&history.Seen != 0 {
		x.field(foreign.KeyObserved, false)
		x.int(op.Observed)
	}
	for _, f := range [...]struct {
		flag uint8
		key  string
	}{{history.FinalRead, foreign.KeyFinal}, {history.Warmup, foreign.KeyWarmup}, {history.FromPrimary, foreign.KeyPrimary}} {
		if op.Flags&f.flag != 0 {
			x.field(f.key, false)
			x.raw("true")
		}
	}
	if op.Node >= 0 && int(op.Node) < len(x.log.Meta.Nodes) {
		x.field(foreign.KeyNode, false)
		x.str(x.log.Meta.Nodes[op.Node])
	}
}

// value writes an operation's value, without its key.
func (x *exporter) value(op *history.Op, kind string) {
	told := kind == "ok"
	switch op.Kind {
	case history.Read, history.Generate:
		x.known(op.Value, told)
	case history.Dequeue:
		x.known(op.Value, told || kind == "info")
	case history.ReadSet, history.Drain:
		if told || kind == "info" && op.Kind == history.Drain && len(op.Elements) > 0 {
			x.list(op.Elements)
			return
		}
		x.known(0, false)
	case history.CAS:
		x.raw("[")
		x.int(op.Old)
		x.comma()
		x.int(op.Value)
		x.raw("]")
	case history.Txn:
		x.transaction(op, told)
	default:
		x.int(op.Value)
	}
}

func (x *exporter) transaction(op *history.Op, told bool) {
	x.raw("[")
	for n, rest := 0, op.Elements; len(rest) > 0; n++ {
		m, next, ok := history.NextMicro(rest)
		if !ok {
			break
		}
		rest = next
		if n > 0 {
			x.comma()
		}
		x.raw("[")
		if m.Read {
			x.word("r")
		} else {
			x.word("append")
		}
		x.comma()
		x.int(int64(m.Key))
		x.comma()
		switch {
		case !m.Read:
			x.int(m.Value)
		case m.Known && told:
			x.list(m.List)
		default:
			x.known(0, false)
		}
		x.raw("]")
	}
	x.raw("]")
}

// extra writes an entry of the nemesis with what only we tell.
func (x *exporter) extra(function string, at int64, e foreign.Extra) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("export an event: %w", err)
	}
	x.open()
	x.field("index", true)
	x.int(int64(x.index))
	x.field("type", false)
	x.word("info")
	x.field("process", false)
	x.word("nemesis")
	x.field("f", false)
	x.word(function)
	x.field("value", false)
	x.known(0, false)
	x.field("time", false)
	x.int(at)
	x.field(foreign.KeyExtra, false)
	x.str(string(text))
	x.close()
	return nil
}
