package export

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/history/foreign/foreigntest"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/foreign"
)

// exported again: what is written is read again as it was.
func again(t testing.TB, log *history.Log, format foreign.Format) *history.Log {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, log, format, ""); err != nil {
		t.Fatal(err)
	}
	if got := foreign.Recognise(b.Bytes()); got != format {
		t.Fatalf("%s was recognised as %s", format, got)
	}
	i, err := foreign.Read(bytes.NewReader(b.Bytes()), "export", foreign.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Bytes()[:min(b.Len(), 4000)])
	}
	return i.Log
}

// kindsOf are the kinds of operations of a type of workload.
var kindsOf = map[string][]history.Kind{
	"register": {history.Read, history.Write, history.CAS}, "set": {history.Add, history.ReadSet},
	"queue": {history.Enqueue, history.Dequeue, history.Drain}, "append": {history.Txn},
	"counter": {history.Increment, history.Read}, "unique-ids": {history.Generate},
}

// drawLog makes any history of one workload, sound in that processes do one
// thing at a time and end with an unknown outcome.
func drawLog(t *rapid.T) *history.Log {
	typ := rapid.SampledFrom([]string{"register", "set", "queue", "append", "counter", "unique-ids"}).Draw(t, "type")
	keys := rapid.IntRange(1, 3).Draw(t, "keys")
	log := &history.Log{Meta: history.Meta{Run: "r", Nodes: []string{"n1", "n2"},
		Workloads: []history.WorkloadMeta{{Name: "w", Type: typ, Keys: keys, Workers: 4}}}}
	log.Torn = rapid.Bool().Draw(t, "torn")
	number := rapid.Int64Range(-50, 50)
	free := map[uint32]int64{}
	for range rapid.IntRange(1, 20).Draw(t, "ops") {
		p := rapid.Uint32Range(0, 4).Draw(t, "process")
		start := free[p] + rapid.Int64Range(0, 3).Draw(t, "pause")
		if free[p] < 0 {
			continue
		}
		op := history.Op{Process: p, Start: start, End: start + rapid.Int64Range(0, 5).Draw(t, "took"),
			Kind: rapid.SampledFrom(kindsOf[typ]).Draw(t, "kind"), Outcome: history.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")),
			Node: int8(rapid.IntRange(-1, 1).Draw(t, "node")), Value: history.Nil}
		op.Intended = start - rapid.Int64Range(0, 2).Draw(t, "late")
		op.Flags = uint8(rapid.IntRange(0, 7).Draw(t, "flags"))
		fillOp(t, &op, uint32(keys), number)
		free[p] = op.End
		if op.Outcome == history.Unknown {
			free[p] = -1
		}
		log.Ops = append(log.Ops, op)
	}
	log.Events = []history.Event{{At: 3, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}, Detail: `a "quote" <b>`}}
	history.Sort(log.Ops)
	return log
}

func fillOp(t *rapid.T, op *history.Op, keys uint32, number *rapid.Generator[int64]) {
	ok := op.Outcome == history.OK
	if op.Kind != history.Txn {
		op.Key = rapid.Uint32Range(0, keys-1).Draw(t, "key")
	}
	if !ok {
		op.Error = rapid.SampledFrom([]history.Error{history.ErrTimeout, history.ErrConnect, history.ErrConnLost, history.ErrNotPrimary,
			history.ErrNoQuorum, history.ErrBusy, history.ErrCompare, history.ErrNoTarget, history.ErrServer}).Draw(t, "error")
	}
	switch op.Kind {
	case history.CAS:
		op.Old, op.Value = rapid.OneOf(number, rapid.Just(history.Nil)).Draw(t, "old"), number.Draw(t, "new")
		if op.Outcome == history.Fail && rapid.Bool().Draw(t, "seen") {
			op.Error, op.Observed, op.Flags = history.ErrCompare, number.Draw(t, "observed"), op.Flags|history.Seen
		}
	case history.ReadSet, history.Drain:
		if ok {
			op.Elements = rapid.SliceOfN(number, 0, 4).Draw(t, "elements")
		}
	case history.Txn:
		op.Elements = []int64{}
		for range rapid.IntRange(1, 3).Draw(t, "micros") {
			m := history.Micro{Key: rapid.Uint32Range(0, keys-1).Draw(t, "key"), Read: rapid.Bool().Draw(t, "read")}
			if m.Known = m.Read && ok; m.Known {
				m.List = rapid.SliceOfN(number, 0, 3).Draw(t, "list")
			} else if !m.Read {
				m.Value = number.Draw(t, "value")
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
	case history.Read, history.Generate, history.Dequeue:
		if ok {
			op.Value = number.Draw(t, "value")
		}
	default:
		op.Value = number.Draw(t, "value")
	}
}

func TestExportRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		format := rapid.SampledFrom([]foreign.Format{foreign.EDN, foreign.JSON}).Draw(t, "format")
		var b bytes.Buffer
		if err := Write(&b, log, format, ""); err != nil {
			t.Fatal(err)
		}
		if len(log.Ops) == 0 {
			return
		}
		i, err := foreign.Read(bytes.NewReader(b.Bytes()), "export", foreign.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		got := i.Log
		for n := range got.Ops {
			got.Ops[n].Worker = 0 // is no part of the form
		}
		same(t, got, log)
	})
}

func same(t *rapid.T, got, want *history.Log) {
	if !reflect.DeepEqual(got.Meta, want.Meta) || got.Torn != want.Torn || !reflect.DeepEqual(got.Events, want.Events) {
		t.Fatalf("got  %+v %v %+v\nwant %+v %v %+v", got.Meta, got.Torn, got.Events, want.Meta, want.Torn, want.Events)
	}
	if len(got.Ops) != len(want.Ops) {
		t.Fatalf("%d operations, want %d", len(got.Ops), len(want.Ops))
	}
	left := slices.Clone(want.Ops) // equal ones by Less may have changed places
	for _, op := range got.Ops {
		at := slices.IndexFunc(left, func(o history.Op) bool {
			if len(o.Elements) == 0 && len(op.Elements) == 0 && (o.Elements == nil) == (op.Elements == nil) {
				o.Elements = op.Elements
			}
			return reflect.DeepEqual(o, op)
		})
		if at < 0 {
			t.Fatalf("%+v\nis none of\n%+v", op, left)
		}
		left = slices.Delete(left, at, at+1)
	}
}

// randomRegister makes a history of registers that may be linearizable or not.
func randomRegister(r *rand.Rand, n int) *history.Log {
	log := &history.Log{Meta: history.Meta{Run: "r", Nodes: []string{"n1"},
		Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 2, Workers: 4}}}}
	holds, ends := [2]int64{history.Nil, history.Nil}, map[uint32]int64{}
	var processes [4]uint32
	next, now := uint32(4), int64(0)
	for i := range processes {
		processes[i] = uint32(i)
	}
	for i := range n {
		slot := r.IntN(4)
		p := processes[slot]
		now += r.Int64N(3)
		start := max(now, ends[p]+1)
		op := history.Op{Process: p, Intended: start, Start: start, End: start + 1 + r.Int64N(8), Key: uint32(r.IntN(2)), Outcome: history.OK}
		at := &holds[op.Key]
		switch kind := r.IntN(10); {
		case kind < 4:
			op.Kind, op.Value = history.Write, int64(i)
			*at = op.Value
		case kind < 6:
			op.Kind, op.Old, op.Value = history.CAS, *at, int64(i)
			*at = op.Value
		default:
			if op.Value = *at; r.IntN(12) == 0 {
				op.Value = int64(r.IntN(i + 1))
			}
		}
		if r.IntN(10) == 0 && op.Kind != history.Read {
			op.Outcome, op.Error = history.Unknown, history.ErrTimeout
			processes[slot], next = next, next+1
		}
		ends[p] = op.End
		log.Ops = append(log.Ops, op)
	}
	history.Sort(log.Ops)
	return log
}

// TestExportKeepsVerdicts: random histories of registers, exported and read
// again, have the same facts, and porcupine agrees.
func TestExportKeepsVerdicts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	counts := map[float64]int{}
	for range 300 {
		log := randomRegister(r, 5+r.IntN(25))
		want := foreigntest.Facts(t, log)
		counts[want["linearizable"].N]++
		if ok := foreigntest.Search(log, false) == porcupine.Ok; ok != (want["linearizable"].N == 1) {
			t.Fatalf("porcupine says %v of %+v", ok, log.Ops)
		}
		for _, format := range []foreign.Format{foreign.EDN, foreign.JSON} {
			if got := foreigntest.Facts(t, again(t, log, format)); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %v, want %v", format, got, want)
			}
		}
	}
	if counts[0] < 30 || counts[1] < 30 {
		t.Errorf("one-sided: %v", counts)
	}
}

// benchmarkText is a history of n operations as text.
func benchmarkText(b *testing.B, format foreign.Format, n int) []byte {
	log := randomRegister(rand.New(rand.NewPCG(3, 4)), n)
	var out bytes.Buffer
	if format == foreign.Text {
		return textOf(log)
	}
	if err := Write(&out, log, format, ""); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// textOf is a log in Jepsen's text form.
func textOf(log *history.Log) []byte {
	var out []byte
	for i := range log.Ops {
		op := &log.Ops[i]
		for _, kind := range []string{"invoke", "info"} {
			out = fmt.Appendf(out, "%d\t:%s\t:write\t[%d 17]\n", i, kind, op.Key)
		}
	}
	return out
}

func BenchmarkRead(b *testing.B) {
	const n = 100_000
	for _, format := range []foreign.Format{foreign.EDN, foreign.JSON, foreign.Text} {
		text := benchmarkText(b, format, n)
		b.Run(format.String(), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := foreign.Read(bytes.NewReader(text), "bench", foreign.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/operation")
		})
	}
}

func BenchmarkExport(b *testing.B) {
	log := randomRegister(rand.New(rand.NewPCG(3, 4)), 100_000)
	for _, format := range []foreign.Format{foreign.EDN, foreign.JSON} {
		b.Run(format.String(), func(b *testing.B) {
			var size counter
			for b.Loop() {
				size = 0
				if err := Write(&size, log, format, ""); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size))
		})
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// TestScansAreReadsAtOnce: what a scan read is exported as reads that are under way
// together, each of a process of its own, and no process does two things at a time.
func TestScansAreReadsAtOnce(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Run: "r", Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Name: "w", Type: "ycsb-e", Keys: 9, Workers: 2}}}}
	for i := range int64(3) {
		process := uint32(i % 2)
		scan := history.Op{Kind: history.Scan, Process: process, Start: 10 * i, Intended: 10 * i, End: 10*i + 15, Key: 2, Old: 3, Outcome: history.OK}
		log.Ops = append(log.Ops, scan)
		for key := range uint32(3) {
			part := scan
			part.Kind, part.Flags, part.Key, part.Value, part.Old = history.Read, history.Part, 2+key, history.Nil, 0
			log.Ops = append(log.Ops, part)
		}
	}
	for _, format := range []foreign.Format{foreign.EDN, foreign.JSON} {
		reads := map[uint32]int{}
		for _, op := range again(t, log, format).Ops {
			if op.Kind != history.Read || op.End-op.Start != 15 || op.Outcome != history.OK {
				t.Errorf("%s: %+v", format, op)
			}
			reads[op.Key]++
		}
		if len(reads) != 3 || reads[2] != 3 || reads[3] != 3 || reads[4] != 3 {
			t.Errorf("%s: reads by key: %v", format, reads)
		}
	}
}
