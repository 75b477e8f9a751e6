package history

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/iotest"
)

// TestReaderGoesBatchByBatch reads as little as one byte at a time.
func TestReaderGoesBatchByBatch(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, 15)
	for name, c := range map[string]struct {
		content []byte
		sizes   []int
		torn    bool
	}{
		"whole":              {whole, []int{15, 15, 10}, false},
		"without end mark":   {whole[:len(whole)-8], []int{15, 15, 10}, true},
		"without last batch": {whole[:len(whole)-100], []int{15, 15}, true},
		"within the schema":  {whole[:100], nil, true},
		"nothing":            {nil, nil, true},
		"no batch":           {encoded(t, meta, nil, 1), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(iotest.OneByteReader(bytes.NewReader(c.content)), "test.arrows")
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			for {
				batch, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, len(batch))
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("after the end Next returns %v", err)
			}
			if !slices.Equal(sizes, c.sizes) || r.Torn() != c.torn {
				t.Errorf("batches of %v, torn %v; want %v, %v", sizes, r.Torn(), c.sizes, c.torn)
			}
		})
	}
}

// TestBatchesAreSorted has two workers' operations written one worker after the
// other, as the recorder collects them.
func TestBatchesAreSorted(t *testing.T) {
	s := newSimulation(2000)
	ops := byWorker(s.ops(200), 50)
	if slices.IsSortedFunc(ops[:50], compareOps) {
		t.Fatal("the test needs operations out of order")
	}
	r, err := NewReader(bytes.NewReader(encoded(t, s.meta(), ops, 50)), "test.arrows")
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil || !slices.IsSortedFunc(batch, compareOps) {
			t.Fatalf("a batch is not sorted, or %v", err)
		}
	}
}

// TestReadErrorIsNotDamage tells a disk's failure from a damaged history.
func TestReadErrorIsNotDamage(t *testing.T) {
	meta, ops := sample()
	whole := encoded(t, meta, ops, 15)
	failure := &fs.PathError{Op: "read", Path: "test.arrows", Err: errors.New("input/output error")}
	for _, at := range []int{0, 100, len(whole) - 300, len(whole)} {
		in := io.MultiReader(bytes.NewReader(whole[:at]), iotest.ErrReader(failure))
		if _, err := read(in, "test.arrows", int64(len(whole))); !errors.Is(err, failure) || errors.Is(err, ErrFormat) {
			t.Errorf("a failure at %d gives %v", at, err)
		}
	}
}
