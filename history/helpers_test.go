package history

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type countingWriter int

func (w *countingWriter) Write(b []byte) (int, error) {
	*w += countingWriter(len(b))
	return len(b), nil
}

// brokenFile fails when its room is used up.
type brokenFile struct {
	bytes.Buffer
	room   int
	closed bool
}

var errFull = errors.New("no space left")

func (f *brokenFile) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	f.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func (f *brokenFile) Close() error {
	f.closed = true
	return nil
}

// writeInBatches writes a complete history of batches of n operations.
func writeInBatches(t testing.TB, w io.Writer, meta Meta, ops []Op, n int) {
	t.Helper()
	e, err := newEncoder(w, meta)
	if err != nil {
		t.Fatal(err)
	}
	for batch := range slices.Chunk(ops, n) {
		if err := e.write(slices.Clone(batch)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.end(); err != nil {
		t.Fatal(err)
	}
}

// encoded is a complete history as bytes.
func encoded(t testing.TB, meta Meta, ops []Op, batch int) []byte {
	var b bytes.Buffer
	writeInBatches(t, &b, meta, ops, batch)
	return b.Bytes()
}

func compareOps(a, b Op) int { return Less(&a, &b) }
