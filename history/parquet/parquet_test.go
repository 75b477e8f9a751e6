package parquet

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var meta = history.Meta{Run: "a \"run\"", Nodes: []string{"n1", "n2", "<n3>"},
	Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 4, Workers: 4}, {Name: "set", Type: "set", Keys: 1, Workers: 2}}}

// operations are n of all kinds, outcomes, errors and flags.
func operations(n int) []history.Op {
	ops := make([]history.Op, n)
	for i := range ops {
		at := int64(i) * 1000
		ops[i] = history.Op{Intended: at, Start: at + 5, End: at + 5000, Value: int64(i), Old: -int64(i), Observed: math.MaxInt64, Key: uint32(i % 4),
			Process: uint32(i), Worker: uint16(i % 4), Workload: uint8(i % 2), Kind: history.Kind(i % history.Kinds), Outcome: history.Outcome(i % 3),
			Flags: uint8(i % 32), Node: int8(i%4) - 1, Error: history.Error(i % 11)}
		switch i % 5 {
		case 0:
			ops[i].Value, ops[i].Old, ops[i].Observed = history.Nil, history.Nil, history.Nil
		case 1:
			ops[i].Value, ops[i].Elements = history.Torn, []int64{}
		case 2:
			ops[i].Elements = []int64{1, history.Nil, int64(i)}
		}
	}
	return ops
}

func read(t *testing.T, data []byte) (*file.Reader, [][]string) {
	t.Helper()
	in, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := reader.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	rows := array.NewTableReader(table, 1<<16)
	defer rows.Release()
	columns := make([][]string, table.NumCols())
	for rows.Next() {
		for i, column := range rows.RecordBatch().Columns() {
			for row := range column.Len() {
				columns[i] = append(columns[i], column.ValueStr(row))
			}
		}
	}
	return in, columns
}

// TestEveryColumnComesBack writes more than one row group, and reads it by
// Arrow's own reader.
func TestEveryColumnComesBack(t *testing.T) {
	ops := operations(groupOps + 1000)
	var out bytes.Buffer
	if err := Write(&out, &history.Log{Meta: meta, Ops: ops, Torn: true}, func(*history.Op) bool { return true }); err != nil {
		t.Fatal(err)
	}
	in, columns := read(t, out.Bytes())
	if in.NumRowGroups() != 2 {
		t.Errorf("%d row groups", in.NumRowGroups())
	}
	if torn := in.MetaData().KeyValueMetadata().FindValue(TornKey); torn == nil || *torn != "true" {
		t.Errorf("torn is %v", torn)
	}
	if run := in.MetaData().KeyValueMetadata().FindValue("aftershock.meta"); run == nil || !bytes.Contains([]byte(*run), []byte(`a \"run\"`)) {
		t.Errorf("the run is %v", run)
	}
	want, err := history.NewColumns(meta)
	if err != nil {
		t.Fatal(err)
	}
	batch := want.Batch(ops)
	defer batch.Release()
	for i, field := range want.Schema().Fields() {
		if len(columns[i]) != len(ops) {
			t.Fatalf("%s has %d rows", field.Name, len(columns[i]))
		}
		for row := range ops {
			if got, want := columns[i][row], batch.Column(i).ValueStr(row); got != want {
				t.Fatalf("%s of row %d is %s, want %s", field.Name, row, got, want)
			}
		}
	}
}

// TestOnlyWanted writes a part.
func TestOnlyWanted(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, &history.Log{Meta: meta, Ops: operations(100)}, func(op *history.Op) bool { return op.Workload == 1 }); err != nil {
		t.Fatal(err)
	}
	in, columns := read(t, out.Bytes())
	if in.NumRows() != 50 || columns[3][0] != "set" || slices.Contains(columns[3], "register") {
		t.Errorf("%d rows of %s", in.NumRows(), columns[3][0])
	}
	out.Reset()
	if err := Write(&out, &history.Log{Meta: meta}, func(*history.Op) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if in, _ := read(t, out.Bytes()); in.NumRows() != 0 || in.MetaData().Schema.NumColumns() != 20 {
		t.Errorf("an empty history gives %d rows", in.NumRows())
	}
}

// TestMemoryIsBounded writes histories on disk of some and of many row groups:
// as much is in use meanwhile.
func TestMemoryIsBounded(t *testing.T) {
	checktest.Alone(t)
	few, many := inUse(t, 5*groupOps), inUse(t, 15*groupOps)
	if few == 0 || many > few*5/4 {
		t.Errorf("%d MiB in use for 5 row groups, %d MiB for 15", few>>20, many>>20)
	}
}

// inUse is the most memory that is in use while a history of n operations is written.
func inUse(t *testing.T, n int) uint64 {
	path := filepath.Join(t.TempDir(), history.FileName)
	if err := history.Save(path, &history.Log{Meta: meta, Ops: operations(n)}); err != nil {
		t.Fatal(err)
	}
	log, err := history.Open(path, func(history.Meta, history.Size) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	var most watermark
	if err := Write(&most, log, func(*history.Op) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if most.written < n {
		t.Errorf("only %d bytes written", most.written)
	}
	return most.bytes
}

// watermark notes the memory in use about when a row group is written.
type watermark struct {
	written, looked int
	bytes           uint64
}

func (w *watermark) Write(p []byte) (int, error) {
	if w.written += len(p); w.written-w.looked > 1<<19 {
		w.looked = w.written
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.bytes = max(w.bytes, m.HeapAlloc)
	}
	return len(p), nil
}

// TestErrorOfTheOutput: a full disk is told.
func TestErrorOfTheOutput(t *testing.T) {
	for _, room := range []int{0, 4, 1000} {
		if err := Write(&full{room}, &history.Log{Meta: meta, Ops: operations(1000)}, func(*history.Op) bool { return true }); err == nil {
			t.Errorf("a file with room for %d bytes: no error", room)
		}
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}
