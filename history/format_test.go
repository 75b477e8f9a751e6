package history

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"pgregory.net/rapid"
)

func readBytes(b []byte) (*Log, error) { return read(bytes.NewReader(b), "test.arrows", int64(len(b))) }

func drawMeta(t *rapid.T) Meta {
	meta := Meta{Run: rapid.String().Draw(t, "run"), Nodes: make([]string, rapid.IntRange(1, 128).Draw(t, "nodes")),
		Workloads: make([]WorkloadMeta, rapid.IntRange(1, 256).Draw(t, "workloads"))}
	for i := range meta.Workloads {
		meta.Workloads[i] = WorkloadMeta{Name: rapid.SampledFrom([]string{"w", "v"}).Draw(t, "name"), Type: "set", Keys: i, Workers: 2 * i}
	}
	return meta
}

func drawOp(t *rapid.T, meta Meta) Op {
	number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, Nil, math.MaxInt64, -1}))
	op := Op{Intended: number.Draw(t, "intended"), Start: number.Draw(t, "start"), End: number.Draw(t, "end"),
		Value: number.Draw(t, "value"), Old: number.Draw(t, "old"), Observed: number.Draw(t, "observed"),
		Key: rapid.Uint32().Draw(t, "key"), Process: rapid.Uint32().Draw(t, "process"), Worker: rapid.Uint16().Draw(t, "worker"),
		Workload: uint8(rapid.IntRange(0, len(meta.Workloads)-1).Draw(t, "workload")),
		Kind:     Kind(rapid.IntRange(0, Kinds-1).Draw(t, "kind")), Outcome: Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")),
		Flags: rapid.Uint8Range(0, allFlags).Draw(t, "flags"), Node: int8(rapid.IntRange(-1, len(meta.Nodes)-1).Draw(t, "node")),
		Error: Error(rapid.IntRange(0, len(errorNames)-1).Draw(t, "error"))}
	if rapid.Bool().Draw(t, "set") {
		op.Elements = rapid.SliceOfN(number, 0, 20).Draw(t, "elements")
	}
	return op
}

func TestEveryFieldComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meta := drawMeta(t)
		ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Op { return drawOp(t, meta) }), 0, 50).Draw(t, "ops")
		var b bytes.Buffer
		e, err := newEncoder(&b, meta)
		if err != nil {
			t.Fatal(err)
		}
		for batch := range slices.Chunk(ops, 7) {
			if err := e.write(slices.Clone(batch)); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.end(); err != nil {
			t.Fatal(err)
		}
		log, err := readBytes(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(ops, func(a, b Op) int { return Less(&a, &b) })
		if log.Torn || !reflect.DeepEqual(log.Meta, meta) || len(log.Ops) != len(ops) {
			t.Fatalf("got torn=%v, %d ops, meta %+v; want %d ops, meta %+v", log.Torn, len(log.Ops), log.Meta, len(ops), meta)
		}
		for i := range ops {
			if !reflect.DeepEqual(log.Ops[i], ops[i]) {
				t.Fatalf("op %d is\n%+v, want\n%+v", i, log.Ops[i], ops[i])
			}
		}
	})
}

// sample is a history of all kinds of rows.
func sample() (Meta, []Op) {
	s := newSimulation(2000)
	ops := s.ops(40)
	ops[3].Outcome, ops[3].Error, ops[3].Node = Fail, ErrNoTarget, -1
	ops[5].Kind, ops[5].Elements = ReadSet, []int64{5, -7, math.MaxInt64}
	ops[6].Kind, ops[6].Elements = ReadSet, []int64{}
	ops[17].Kind, ops[17].Elements = ReadSet, []int64{1}
	slices.SortFunc(ops, compareOps)
	return s.meta(), ops
}

// TestAnyArrowReaderUnderstands reads a history by Arrow's own reader: every
// column, in words.
func TestAnyArrowReaderUnderstands(t *testing.T) {
	meta, ops := sample()
	in, err := ipc.NewReader(bytes.NewReader(encoded(t, meta, ops, 15)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	i := 0
	for in.Next() {
		batch := in.RecordBatch()
		for row := range int(batch.NumRows()) {
			for at, field := range batch.Schema().Fields() {
				if got, want := batch.Column(at).ValueStr(row), cell(&meta, &ops[i], field.Name); got != want {
					t.Errorf("row %d: %s is %s, want %s", i, field.Name, got, want)
				}
			}
			i++
		}
	}
	if err := in.Err(); err != nil || i != len(ops) {
		t.Fatalf("%d rows of %d: %v", i, len(ops), err)
	}
	took, _ := in.Schema().FieldsByName("took_ns")
	if unit, _ := took[0].Metadata.GetValue("unit"); unit != "ns" {
		t.Errorf("the unit of took_ns is %q", unit)
	}
}

// cell is what a column shows of an operation, in Arrow's words.
func cell(meta *Meta, op *Op, column string) string {
	number := func(n int64) string {
		if n == Nil {
			return "(null)"
		}
		return strconv.FormatInt(n, 10)
	}
	flag := func(f uint8) string { return strconv.FormatBool(op.Flags&f != 0) }
	switch column {
	case "start_ns":
		return number(op.Start)
	case "took_ns":
		return number(op.End - op.Start)
	case "late_ns":
		return number(op.Start - op.Intended)
	case "workload":
		return meta.Workloads[op.Workload].Name
	case "worker":
		return number(int64(op.Worker))
	case "process":
		return number(int64(op.Process))
	case "node":
		if op.Node < 0 {
			return "(null)"
		}
		return meta.Nodes[op.Node]
	case "kind":
		return op.Kind.String()
	case "key":
		return number(int64(op.Key))
	case "value":
		return number(op.Value)
	case "old":
		return number(op.Old)
	case "observed":
		return number(op.Observed)
	case "outcome":
		return op.Outcome.String()
	case "error":
		if op.Error == ErrNone {
			return "(null)"
		}
		return op.Error.String()
	case "final_read":
		return flag(FinalRead)
	case "warmup":
		return flag(Warmup)
	case "from_primary":
		return flag(FromPrimary)
	case "seen":
		return flag(Seen)
	case "part":
		return flag(Part)
	case "elements":
		if op.Elements == nil {
			return "(null)"
		}
		list, _ := json.Marshal(op.Elements)
		return string(list)
	}
	return "no such column"
}

// TestSize holds the promise of less than 24 bytes per operation.
func TestSize(t *testing.T) {
	for _, rate := range []float64{2000, 20_000} {
		s := newSimulation(rate)
		ops := byWorker(s.ops(int(2*rate)), int(rate/4))
		var size countingWriter
		writeInBatches(t, &size, s.meta(), ops, int(rate/4))
		if perOp := float64(size) / float64(len(ops)); perOp >= 24 {
			t.Errorf("%.1f bytes per operation at %.0f/s", perOp, rate)
		}
	}
}

// TestCutAnywhere cuts a history at every byte.
func TestCutAnywhere(t *testing.T) {
	meta, ops := sample()
	var b bytes.Buffer
	e, err := newEncoder(&b, meta)
	if err != nil {
		t.Fatal(err)
	}
	schema, ends, sizes := b.Len(), []int(nil), []int(nil)
	for batch := range slices.Chunk(ops, 15) {
		if err := e.write(slices.Clone(batch)); err != nil {
			t.Fatal(err)
		}
		ends, sizes = append(ends, b.Len()), append(sizes, len(batch))
	}
	if err := e.end(); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for cut := range len(whole) + 1 {
		want := 0
		for i, end := range ends {
			if end <= cut {
				want += sizes[i]
			}
		}
		log, err := readBytes(whole[:cut])
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
		}
		if len(log.Ops) != want || log.Torn != (cut < len(whole)) || (log.Meta.Run == "") != (cut < schema) {
			t.Fatalf("cut at %d of %d: %d ops, torn %v, meta %+v; want %d ops", cut, len(whole), len(log.Ops), log.Torn, log.Meta, want)
		}
		if !reflect.DeepEqual(log.Ops, slices.Clip(ops[:want])) && want > 0 {
			t.Fatalf("cut at %d: the operations are not those written", cut)
		}
	}
}

// TestDamageAnywhere inverts bits of every byte: the damage is found, or has
// not changed an operation.
func TestDamageAnywhere(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, 15)
	found, tried := 0, 0
	for i := range whole {
		if testing.Short() && i%7 != 0 {
			continue
		}
		for _, mask := range []byte{1 << (i % 8), 0xFF} {
			tried++
			damaged := slices.Clone(whole)
			damaged[i] ^= mask
			log, err := readBytes(damaged)
			switch {
			case err != nil:
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "test.arrows") {
					t.Fatalf("byte %d: %v", i, err)
				}
				found++
			case !log.Torn && !reflect.DeepEqual(log.Ops, ops):
				t.Errorf("byte %d of %d, mask %#x: operations were changed silently", i, len(whole), mask)
			}
		}
	}
	if found < tried/2 {
		t.Errorf("only %d of %d damages found", found, tried)
	}
}

func TestNotAHistory(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, 15)
	foreign := func(schema *arrow.Schema) []byte {
		var b bytes.Buffer
		w := ipc.NewWriter(&b, ipc.WithSchema(schema))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	ours, err := newSchema(&meta)
	if err != nil {
		t.Fatal(err)
	}
	metadata := ours.Metadata()
	dictionary := slices.Clone(fields)
	dictionary[columnValue].Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.PrimitiveTypes.Int64}
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"text":           {[]byte("name: quickstart\nseed: 7\n"), "no Arrow message"},
		"only zeros":     {make([]byte, 4096), "no Arrow message"},
		"only end mark":  {endMark, "no schema"},
		"other columns":  {foreign(arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, &metadata)), "columns"},
		"a dictionary":   {foreign(arrow.NewSchema(dictionary, &metadata)), "columns"},
		"other stream":   {foreign(arrow.NewSchema(fields, nil)), metaVersion},
		"other version":  {bytes.Replace(whole, []byte(metaVersion), []byte("aftershock.VERSION"), 1), metaVersion},
		"newer version":  {foreign(withMeta(ours, metaVersion, "3")), `version "3"`},
		"older version":  {foreign(withMeta(ours, metaVersion, "1")), "columns"},
		"damaged meta":   {foreign(withMeta(ours, metaRun, "{")), metaRun},
		"after the end":  {append(slices.Clone(whole), 0), "follows the end mark"},
		"two histories":  {append(slices.Clone(whole), whole...), "follows the end mark"},
		"batch repeated": {slices.Concat(whole[:len(whole)-8], whole), "not a record batch"},
		"zeros at end":   {append(slices.Clone(whole[:len(whole)-8]), make([]byte, 64)...), "cut the file off there"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readBytes(c.content)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want %q", err, c.says)
			}
		})
	}
}

func withMeta(schema *arrow.Schema, key, value string) *arrow.Schema {
	old := schema.Metadata()
	values := slices.Clone(old.Values())
	values[old.FindKey(key)] = value
	metadata := arrow.NewMetadata(old.Keys(), values)
	return arrow.NewSchema(schema.Fields(), &metadata)
}

// TestMeaninglessNumbers checks that a Log's indexes need no second look.
func TestMeaninglessNumbers(t *testing.T) {
	meta, _ := sample()
	for _, c := range []struct {
		op          Op
		first, says string
	}{
		{Op{Workload: 1}, "workload 1, there", "column workload: row 0 has word 1 of a dictionary of 1"},
		{Op{Node: 3}, "node 3, there", "column node: row 0 has word 3 of a dictionary of 3"},
		{Op{Kind: 16}, "kind 16", "column kind: row 0 has word 16 of a dictionary of 16"},
		{Op{Kind: 200}, "kind 200", "column kind: row 0 has word -56 of a dictionary of 16"},
		{Op{Outcome: 3}, "outcome 3", "column outcome: row 0 has word 3 of a dictionary of 3"},
		{Op{Error: 12}, "error 12", "column error: row 0 has word 11 of a dictionary of 11"},
	} {
		if _, err := readBytes(encoded(t, meta, []Op{c.op}, 1)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "batch 1 at byte") {
			t.Errorf("%+v: the error is %v, want %q", c.op, err, c.says)
		}
		if _, err := readBytes(encodedFirst(t, meta, []Op{c.op})); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.first) {
			t.Errorf("version 1: %+v: the error is %v, want %q", c.op, err, c.first)
		}
	}
}

// TestHostileLengths checks that no length in a file makes the reader reserve
// memory that the file does not fill.
func TestHostileLengths(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, len(ops))
	e, err := newEncoder(new(bytes.Buffer), meta)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]Op, maxBatchOps+1)
	var tooLong bytes.Buffer
	e.w = &tooLong
	if err := e.batch(rows); err != nil {
		t.Fatal(err)
	}
	start := len(whole) - 8
	long := append(slices.Clone(whole[:start]), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0)
	huge := append(slices.Clone(whole[:start]), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F)
	for name, c := range map[string]struct {
		content []byte
		torn    bool
	}{
		"1 MiB of metadata missing": {long, true},
		"2 GiB of metadata":         {huge, false},
		"too many rows":             {append(slices.Clone(whole[:start]), tooLong.Bytes()...), false},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		log, err := readBytes(c.content)
		runtime.ReadMemStats(&after)
		if c.torn && (err != nil || !log.Torn || len(log.Ops) != len(ops)) || !c.torn && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: %d MiB were reserved", name, used>>20)
		}
	}
}

// TestBodyLength changes a message's body length to all that one byte can say.
func TestBodyLength(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, len(ops))
	r := newFrameReader(bytes.NewReader(whole))
	if _, err := r.next(); err != nil {
		t.Fatal(err)
	}
	begin := int(r.offset)
	f, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	length := make([]byte, 8)
	for i := range length {
		length[i] = byte(len(f.body) >> (8 * i))
	}
	at := begin + 8 + bytes.Index(f.meta, length)
	for i := range 8 {
		damaged := slices.Clone(whole)
		damaged[at+i] ^= 0x55
		if log, err := readBytes(damaged); err == nil && !log.Torn || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// TestSwappedColumns exchanges the places of two columns of one type.
func TestSwappedColumns(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, len(ops))
	r, err := NewReader(bytes.NewReader(whole), "test.arrows")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	place := func(column int) []byte {
		s := r.decoder.buffers[2*column+1]
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(s.offset)), uint64(s.length))
	}
	first, second := bytes.Index(whole, place(columnStart)), bytes.Index(whole, place(columnTook))
	copy(whole[first:], place(columnTook))
	copy(whole[second:], place(columnStart))
	if _, err := readBytes(whole); !errors.Is(err, ErrFormat) {
		t.Errorf("the error is %v", err)
	}
}

func TestTooLargeASet(t *testing.T) {
	meta, _ := sample()
	e, err := newEncoder(new(bytes.Buffer), meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.write([]Op{{Elements: make([]int64, maxBatchElements+1)}}); err == nil || !strings.Contains(err.Error(), "smaller sets") {
		t.Errorf("the error is %v", err)
	}
}

// TestUncompressed reads a history that another Arrow program wrote without
// compression, as the format allows.
func TestUncompressed(t *testing.T) {
	meta, ops := sample()
	log, err := readBytes(uncompressed(t, encoded(t, meta, ops, 15)))
	if err != nil || log.Torn || !reflect.DeepEqual(log.Ops, ops) {
		t.Fatalf("%d ops of %d, %v", len(log.Ops), len(ops), err)
	}
}

func TestSortIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Int64Range(0, 4)
		ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Op {
			return Op{Start: small.Draw(t, "start"), End: small.Draw(t, "end"), Process: uint32(small.Draw(t, "process"))}
		}), 0, 100).Draw(t, "ops")
		for i := range ops {
			ops[i].Value = int64(i)
		}
		want := slices.Clone(ops)
		slices.SortStableFunc(want, compareOps)
		new(sorter).sort(ops)
		if !reflect.DeepEqual(ops, want) {
			t.Fatalf("got %+v, want %+v", ops, want)
		}
	})
}
