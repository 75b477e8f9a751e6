package history

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

// encodedFirst is a history of version 1 of the format, of one batch.
func encodedFirst(t testing.TB, meta Meta, ops []Op) []byte {
	schema, err := newSchema(&meta)
	if err != nil {
		t.Fatal(err)
	}
	metadata := withMeta(schema, metaVersion, "1").Metadata()
	schema = arrow.NewSchema(first.fields, &metadata)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range ops {
		op := &ops[i]
		for column, n := range []int64{op.Start, op.End - op.Start, op.Start - op.Intended, int64(op.Workload), int64(op.Worker), int64(op.Process),
			int64(op.Node), int64(op.Kind), int64(op.Key), op.Value, op.Old, op.Observed, int64(op.Outcome), int64(op.Error), int64(op.Flags)} {
			switch f := b.Field(column).(type) {
			case *array.Int64Builder:
				f.Append(n)
			case *array.Int8Builder:
				f.Append(int8(n))
			case *array.Uint8Builder:
				f.Append(uint8(n))
			case *array.Uint16Builder:
				f.Append(uint16(n))
			case *array.Uint32Builder:
				f.Append(uint32(n))
			}
		}
		list := b.Field(columnFirstFlags + 1).(*array.ListBuilder)
		list.Append(op.Elements != nil)
		list.ValueBuilder().(*array.Int64Builder).AppendValues(op.Elements, nil)
	}
	return written(t, schema, []arrow.RecordBatch{b.NewRecordBatch()}, ipc.WithZstd())
}

func written(t testing.TB, schema *arrow.Schema, batches []arrow.RecordBatch, options ...ipc.Option) []byte {
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(options, ipc.WithSchema(schema))...)
	for _, batch := range batches {
		if err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestFirstVersion: what programs of before recorded is read as it was.
func TestFirstVersion(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		meta := drawMeta(r)
		ops := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) Op { return drawOp(r, meta) }), 1, 20).Draw(r, "ops")
		log, err := readBytes(encodedFirst(t, meta, ops))
		slices.SortStableFunc(ops, compareOps)
		if err != nil || log.Torn || !reflect.DeepEqual(log.Ops, ops) || !reflect.DeepEqual(log.Meta, meta) {
			r.Fatalf("%v\n%+v, want\n%+v", err, log, ops)
		}
	})
}

// withWords writes operations with another dictionary of a column in each batch.
func withWords(t testing.TB, column int, ops []Op, dictionaries ...[]string) []byte {
	meta, _ := sample()
	c, err := NewColumns(meta)
	if err != nil {
		t.Fatal(err)
	}
	var batches []arrow.RecordBatch
	for _, words := range dictionaries {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		b.AppendValues(words, nil)
		of, err := NewColumns(meta)
		if err != nil {
			t.Fatal(err)
		}
		of.dicts[column] = b.NewArray().Data().(*array.Data)
		batches = append(batches, of.Batch(ops))
	}
	return written(t, c.Schema(), batches)
}

// TestWordsDecide: what an operation is follows from the words of the file, and
// not from how this program numbers them.
func TestWordsDecide(t *testing.T) {
	row := []Op{{Kind: 1, Value: 7, Outcome: OK}}
	log, err := readBytes(withWords(t, columnKind, row, kindNames[:], []string{"write", "add", "teleport"}, []string{"mark", "poll"}))
	if err != nil || len(log.Ops) != 3 {
		t.Fatalf("%v, %+v", err, log)
	}
	for i, want := range []Kind{Write, Add, Poll} {
		if log.Ops[i].Kind != want || log.Ops[i].Value != 7 {
			t.Errorf("operation %d is %+v, want %s", i, log.Ops[i], want)
		}
	}
}

// TestDamagedWords: dictionaries that cannot be are refused, with the place.
func TestDamagedWords(t *testing.T) {
	row := []Op{{Kind: 1, Outcome: OK, Node: 1}}
	many := make([]string, maxWords+1)
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"unknown kind":     {withWords(t, columnKind, row, []string{"read", "teleport"}), `column kind: row 0 has the word "teleport"`},
		"long unknown":     {withWords(t, columnKind, row, []string{"read", strings.Repeat("<b>", 1000)}), `has the word "<b><b>`},
		"too few kinds":    {withWords(t, columnKind, row, []string{"read"}), "word 1 of a dictionary of 1"},
		"no kinds":         {withWords(t, columnKind, row, nil), "word 1 of a dictionary of 0"},
		"one word twice":   {withWords(t, columnOutcome, row, []string{"unknown", "ok", "ok"}), "column outcome: a word is in it twice"},
		"too many":         {withWords(t, columnError, row, many), "1025 words are more than 1024"},
		"another node":     {withWords(t, columnNode, row, []string{"n1", "n3", "n2"}), "column node: 3 words are not the 3 of aftershock.meta"},
		"another workload": {withWords(t, columnWorkload, row, []string{"elsewhere"}), "column workload: 1 words"},
	} {
		_, err := readBytes(c.content)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "in batch 1 at byte ") || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestWordsMissing: a batch without the dictionaries before it.
func TestWordsMissing(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops[:4], 4)
	r := newFrameReader(bytes.NewReader(whole))
	var ends []int64
	for {
		f, err := r.next()
		if err != nil || f.kind == messageRecordBatch {
			break
		}
		ends = append(ends, r.offset)
	}
	if len(ends) != 6 { // the schema and five dictionaries
		t.Fatalf("the messages end at %v", ends)
	}
	for i := 1; i < len(ends); i++ {
		without := slices.Concat(whole[:ends[i-1]], whole[ends[i]:])
		if _, err := readBytes(without); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "of a dictionary of 0") {
			if err == nil && i == len(ends)-1 { // of errors, of which there are none
				continue
			}
			t.Errorf("without dictionary %d: %v", i, err)
		}
	}
}

// TestEveryFlagHasAColumn: a flag without a column would be lost.
func TestEveryFlagHasAColumn(t *testing.T) {
	if FinalRead|Warmup|FromPrimary|Seen|Part != allFlags {
		t.Errorf("the columns of flags are %b", allFlags)
	}
	for at, flag := range []uint8{FinalRead, Warmup, FromPrimary, Seen, Part} {
		if flag != 1<<at {
			t.Errorf("column %s is not of flag %d", fields[columnFinalRead+at].Name, flag)
		}
	}
}
