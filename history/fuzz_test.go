package history

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// Inputs of some kilobytes take long to minimise: run these with
// -fuzzminimizetime 10x.

// FuzzLoad reads anything.
func FuzzLoad(f *testing.F) {
	meta, ops := sample()
	whole := encoded(f, meta, ops[:8], 5)
	for _, cut := range []int{0, 3, 8, 1000, len(whole) / 2, len(whole) - 9, len(whole) - 1, len(whole)} {
		f.Add(whole[:cut])
	}
	for _, at := range []int{4, 300, len(whole) / 3, len(whole) - 700} {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x10
		f.Add(damaged)
	}
	f.Add(encoded(f, meta, nil, 1))
	f.Add(encodedFirst(f, meta, ops[:8]))
	f.Add(withWords(f, columnKind, ops[:2], kindNames[:], []string{"read", "teleport"}))
	f.Fuzz(checkLoad)
}

// FuzzBatches reads anything that follows a good schema, compressed or not.
func FuzzBatches(f *testing.F) {
	meta, ops := sample()
	schema := encoded(f, meta, nil, 1)
	schema = schema[:len(schema)-len(endMark)]
	f.Add(encoded(f, meta, ops[:8], 8)[len(schema):])
	f.Add(encoded(f, meta, ops[:2], 1)[len(schema):])
	plain := uncompressed(f, encoded(f, meta, ops[:8], 5))
	f.Add(withWords(f, columnNode, ops[:2], meta.Nodes, nil)[len(schema):])
	f.Add(plain[bytes.LastIndex(plain[:len(plain)-len(endMark)], endMark[:4]):])
	f.Fuzz(func(t *testing.T, rest []byte) { checkLoad(t, slices.Concat(schema, rest)) })
}

// checkLoad reads b and checks what every Log promises.
func checkLoad(t *testing.T, b []byte) {
	log, err := readBytes(b)
	if err != nil {
		if !errors.Is(err, ErrFormat) {
			t.Fatalf("the error does not wrap ErrFormat: %v", err)
		}
		return
	}
	for i := range log.Ops {
		op := &log.Ops[i]
		if i > 0 && Less(op, &log.Ops[i-1]) < 0 {
			t.Fatal("the operations are not sorted")
		}
		_ = log.Meta.Workloads[op.Workload]
		if op.Node >= 0 {
			_ = log.Meta.Nodes[op.Node]
		}
		_, _, _ = kindNames[op.Kind], outcomeNames[op.Outcome], errorNames[op.Error]
	}
}

// uncompressed writes a history again, by Arrow's own reader and writer and
// without compression.
func uncompressed(t testing.TB, history []byte) []byte {
	in, err := ipc.NewReader(bytes.NewReader(history))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	var b bytes.Buffer
	out := ipc.NewWriter(&b, ipc.WithSchema(in.Schema()))
	for in.Next() {
		if err := out.Write(in.RecordBatch()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(in.Err(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
