package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var testMeta = Meta{Run: "test", Nodes: []string{"n1"}, Workloads: []WorkloadMeta{{Name: "set", Type: "set", Keys: 1, Workers: 8}}}

// numbered is worker's nth operation.
func numbered(worker, n int) Op {
	at := int64(n)*1000 + int64(worker)
	return Op{Intended: at, Start: at, End: at + 500, Worker: uint16(worker), Process: uint32(worker), Value: int64(n), Outcome: OK}
}

// TestConcurrentRecording has eight workers record at once, reusing what they
// record, and loads everything again.
func TestConcurrentRecording(t *testing.T) {
	const workers, each = 8, 5000
	path := filepath.Join(t.TempDir(), FileName)
	tapped := 0
	r, err := NewRecorder(path, testMeta, func(ops []Op) { tapped += len(ops) })
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for w := range workers {
		buffer := r.Buffer()
		running.Go(func() {
			defer buffer.Flush()
			var elements []int64
			for n := range each {
				op := numbered(w, n)
				if n%7 == 0 {
					elements = append(elements[:0], int64(w), int64(n))
					op.Kind, op.Elements = ReadSet, elements[:n%3]
				}
				buffer.Append(&op)
				op.Value = -99
			}
		})
	}
	running.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if tapped != workers*each {
		t.Errorf("the tap saw %d operations of %d", tapped, workers*each)
	}
	log, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if log.Torn || len(log.Ops) != workers*each || !reflect.DeepEqual(log.Meta, testMeta) {
		t.Fatalf("torn %v, %d operations of %d, meta %+v", log.Torn, len(log.Ops), workers*each, log.Meta)
	}
	for i := range log.Ops {
		want := numbered(i%workers, i/workers)
		if i/workers%7 == 0 {
			want.Kind, want.Elements = ReadSet, []int64{int64(i % workers), int64(i / workers)}[:i/workers%3]
		}
		if !reflect.DeepEqual(log.Ops[i], want) {
			t.Fatalf("operation %d is\n%+v, want\n%+v", i, log.Ops[i], want)
		}
	}
}

// TestFlushesInTime has a worker stay in a slow call: what it completed before
// is in the file after flushEvery, in a history that is not yet complete.
func TestFlushesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := &brokenFile{room: 1 << 20}
		r, err := newRecorder(file, testMeta, nil)
		if err != nil {
			t.Fatal(err)
		}
		buffer := r.Buffer()
		recorded := 0
		for round := range 3 {
			for range 2 + round {
				op := numbered(0, recorded)
				buffer.Append(&op)
				recorded++
			}
			time.Sleep(flushEvery)
			synctest.Wait()
			log, err := readBytes(file.Bytes())
			if err != nil || !log.Torn || len(log.Ops) != recorded {
				t.Fatalf("round %d: %d operations of %d in the file, torn %v, %v", round, len(log.Ops), recorded, log.Torn, err)
			}
		}
		buffer.Flush()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if log, err := readBytes(file.Bytes()); err != nil || log.Torn || len(log.Ops) != recorded || !file.closed {
			t.Fatalf("%d operations of %d, torn %v, %v, closed %v", len(log.Ops), recorded, log.Torn, err, file.closed)
		}
	})
}

// TestSlowWriterStalls holds the writer up: Append waits and loses nothing.
func TestSlowWriterStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, release := &brokenFile{room: 1 << 20}, make(chan struct{})
		r, err := newRecorder(file, testMeta, func([]Op) { <-release })
		if err != nil {
			t.Fatal(err)
		}
		const total = 10 * chunkOps
		appended := 0
		var worker sync.WaitGroup
		buffer := r.Buffer()
		worker.Go(func() {
			defer buffer.Flush()
			for n := range total {
				op := numbered(0, n)
				buffer.Append(&op)
				appended++
			}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if appended != chunksPerBuffer*chunkOps {
			t.Errorf("%d operations were taken while the writer stood still, want %d", appended, chunksPerBuffer*chunkOps)
		}
		close(release)
		worker.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if count, waited := r.Stalls(); count == 0 || waited < time.Second {
			t.Errorf("%d stalls of %v were reported", count, waited)
		}
		if log, err := readBytes(file.Bytes()); err != nil || log.Torn || len(log.Ops) != total {
			t.Errorf("%d operations of %d, %v", len(log.Ops), total, err)
		}
	})
}

// TestLargeSets records more elements than an arena holds.
func TestLargeSets(t *testing.T) {
	file := &brokenFile{room: 64 << 20}
	r, err := newRecorder(file, testMeta, nil)
	if err != nil {
		t.Fatal(err)
	}
	buffer := r.Buffer()
	elements := make([]int64, chunkElements/3)
	const total = 40
	for n := range total {
		for i := range elements {
			elements[i] = int64(n * i)
		}
		op := numbered(0, n)
		op.Kind, op.Elements = ReadSet, elements
		buffer.Append(&op)
		if held := buffer.chunk; held != nil && len(held.elements) >= chunkElements {
			t.Fatalf("after operation %d a buffer holds %d elements", n, len(held.elements))
		}
	}
	buffer.Flush()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := readBytes(file.Bytes())
	if err != nil || len(log.Ops) != total {
		t.Fatalf("%d operations, %v", len(log.Ops), err)
	}
	for n, op := range log.Ops {
		for i, e := range op.Elements {
			if e != int64(n*i) || len(op.Elements) != len(elements) {
				t.Fatalf("operation %d, element %d of %d is %d", n, i, len(op.Elements), e)
			}
		}
	}
}

// TestFullDisk checks that a failing file is told of, does not stop the
// workers, and leaves a readable history.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := &brokenFile{room: 20_000}
		r, err := newRecorder(file, testMeta, nil)
		if err != nil {
			t.Fatal(err)
		}
		buffer := r.Buffer()
		for n := range 20 * chunkOps {
			op := numbered(0, n)
			buffer.Append(&op)
			if n%300 == 0 {
				time.Sleep(flushEvery)
			}
		}
		buffer.Flush()
		synctest.Wait()
		select {
		case err := <-r.Failed():
			if !errors.Is(err, errFull) {
				t.Errorf("the failure is %v", err)
			}
		default:
			t.Error("the failure is not told")
		}
		for range 2 {
			if err := r.Close(); !errors.Is(err, errFull) {
				t.Errorf("Close returns %v", err)
			}
		}
		if log, err := readBytes(file.Bytes()); err != nil || !log.Torn || len(log.Ops) == 0 {
			t.Errorf("%d operations, torn %v, %v", len(log.Ops), log.Torn, err)
		}
	})
}

// TestUnflushedBuffer checks that a history is not called complete while a
// worker may still be at work, and that what it recorded is kept.
func TestUnflushedBuffer(t *testing.T) {
	file := &brokenFile{room: 1 << 20}
	r, err := newRecorder(file, testMeta, nil)
	if err != nil {
		t.Fatal(err)
	}
	done, late := r.Buffer(), r.Buffer()
	op := numbered(0, 1)
	done.Append(&op)
	done.Flush()
	late.Append(&op)
	if err := r.Close(); !errors.Is(err, ErrUnflushed) {
		t.Errorf("Close returns %v", err)
	}
	if log, err := readBytes(file.Bytes()); err != nil || !log.Torn || len(log.Ops) != 2 {
		t.Errorf("%d operations, torn %v, %v", len(log.Ops), log.Torn, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Append after Close does not panic")
		}
	}()
	done.Append(&op)
}

func TestAppendAllocatesNothing(t *testing.T) {
	r, err := newRecorder(&brokenFile{room: 1 << 13}, testMeta, nil)
	if err != nil {
		t.Fatal(err)
	}
	buffer := r.Buffer()
	plain, set := numbered(0, 1), numbered(0, 2)
	set.Elements = []int64{1, 2, 3}
	record := func() {
		buffer.Append(&plain)
		buffer.Append(&set)
	}
	for range 2 * batchOps {
		record()
	}
	if n := testing.AllocsPerRun(10_000, record); n != 0 {
		t.Errorf("%v allocations per operation", n)
	}
	buffer.Flush()
	if err := r.Close(); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

func TestRecorderKeepsAnOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRecorder(path, testMeta, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("NewRecorder returns %v", err)
	}
	if err := Save(path, &Log{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Save returns %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	meta, ops := sample()
	for _, torn := range []bool{false, true} {
		t.Run(fmt.Sprintf("torn=%v", torn), func(t *testing.T) {
			dir := t.TempDir()
			want := &Log{Meta: meta, Ops: slices.Clone(ops), Torn: torn}
			if err := Save(filepath.Join(dir, FileName), want); err != nil {
				t.Fatal(err)
			}
			events, err := CreateEventLog(filepath.Join(dir, EventsFileName))
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []int64{20, 10} {
				if err := events.Append(Event{At: at, Kind: EventNote}); err != nil {
					t.Fatal(err)
				}
			}
			if err := events.Close(); err != nil {
				t.Fatal(err)
			}
			want.Events = []Event{{At: 10, Kind: EventNote}, {At: 20, Kind: EventNote}}
			for _, path := range []string{dir, filepath.Join(dir, FileName)} {
				if got, err := Load(path); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("Load(%s) = %+v, %v", path, got, err)
				}
			}
			if err := os.Remove(filepath.Join(dir, EventsFileName)); err != nil {
				t.Fatal(err)
			}
			if got, err := Load(dir); err != nil || len(got.Events) != 0 {
				t.Errorf("without events: %v", err)
			}
		})
	}
}

func TestLoadNothing(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "absent")} {
		if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("Load(%s) returns %v", path, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || errors.Is(err, ErrFormat) {
		t.Errorf("a directory in the file's place gives %v", err)
	}
}
