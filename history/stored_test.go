package history

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// onDisk opens a history that is said not to fit, with little room for order.
func onDisk(t *testing.T, path string, room int) *Log {
	t.Helper()
	log := &Log{stored: &stored{path: path, room: room, most: maxEarly}}
	if err := log.stored.survey(log); err != nil {
		t.Fatal(err)
	}
	return log
}

func collect(t *testing.T, log *Log) []Op {
	t.Helper()
	var ops []Op
	for op := range log.All() {
		ops = append(ops, *op)
		ops[len(ops)-1].Elements = slices.Clone(op.Elements)
	}
	if err := log.Err(); err != nil {
		t.Fatal(err)
	}
	return ops
}

// TestOnDiskEqualsLoaded passes over histories whose operations last from
// nothing to the whole run, with all and with hardly any room to bring them
// into order.
func TestOnDiskEqualsLoaded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, long := range []int{0, 7, 500} { // one in so many operations is long
		s := newSimulation(20_000)
		ops := s.ops(20_000)
		for i := range ops {
			op := &ops[i]
			if long > 0 && r.IntN(long) == 0 {
				op.Start = r.Int64N(op.End)
			}
			if i%10 == 0 {
				op.Kind, op.Elements = ReadSet, make([]int64, r.IntN(20))
			}
			if i%1000 == 999 {
				op.Flags = FinalRead
			}
			op.Observed = int64(i) // to tell equal ones apart
		}
		path := filepath.Join(t.TempDir(), FileName)
		if err := os.WriteFile(path, encoded(t, s.meta(), ops, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		elements := int64(0)
		for i := range loaded.Ops {
			elements += int64(len(loaded.Ops[i].Elements))
		}
		for _, room := range []int{1, 5000, heldBack} {
			log := onDisk(t, path, room)
			if long > 0 && room < heldBack && len(log.stored.early) == 0 {
				t.Error("no operation was early: nothing was tried")
			}
			for range 2 {
				if got := collect(t, log); !reflect.DeepEqual(got, loaded.Ops) {
					t.Fatalf("long %d, room %d: the pass does not give what is loaded", long, room)
				}
			}
			if log.Len() != len(ops) || log.StoredSizes()[0] != (Size{int64(len(ops)), elements}) || log.stored.extents != loaded.extents() {
				t.Errorf("long %d, room %d: the survey says %v, %+v", long, room, log.StoredSizes(), log.stored.extents)
			}
			log.Keep(10, func(op *Op) bool { return op.Key == 5 })
			want := slices.DeleteFunc(slices.Clone(loaded.Ops), func(op Op) bool { return op.Key != 5 })
			if !reflect.DeepEqual(log.Ops, want) {
				t.Errorf("long %d, room %d: kept %d operations, want %d", long, room, len(log.Ops), len(want))
			}
		}
	}
}

// TestOpenAsksWhatFits checks that a history is loaded exactly if it fits, and
// that damage is told either way.
func TestOpenAsksWhatFits(t *testing.T) {
	meta, ops := sample()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	whole := encoded(t, meta, ops, 15)
	for name, c := range map[string]struct {
		content []byte
		ops     int
		torn    bool
		damaged bool
	}{
		"whole":   {whole, 40, false, false},
		"cut":     {whole[:len(whole)-9], 30, true, false},
		"damaged": {append(slices.Clone(whole), 1), 0, false, true},
		"empty":   {nil, 0, true, false},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, fits := range []bool{true, false} {
			var asked Size
			log, err := Open(dir, func(_ Meta, s Size) bool { asked = s; return fits })
			if c.damaged {
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "follows the end mark") {
					t.Errorf("%s: the error is %v", name, err)
				}
				continue
			}
			if err != nil || log.OnDisk() == fits || log.Torn != c.torn || log.Len() != c.ops || asked.Ops != int64(c.ops) {
				t.Errorf("%s, fits %v: on disk %v, torn %v, %d operations, asked %v, %v", name, fits, log.OnDisk(), log.Torn, log.Len(), asked, err)
			}
			if n := len(collect(t, log)); n != c.ops {
				t.Errorf("%s, fits %v: %d operations passed", name, fits, n)
			}
		}
	}
}

// TestPassTellsItsError checks that a file which changes under a pass is not
// taken for a short history.
func TestPassTellsItsError(t *testing.T) {
	meta, ops := sample()
	path := filepath.Join(t.TempDir(), FileName)
	whole := encoded(t, meta, ops, 15)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	log := onDisk(t, path, 1)
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for range log.All() {
	}
	if err := log.Err(); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("the error is %v", err)
	}
}

// TestNoOrder refuses a file so much out of order that it would not stay in
// its file.
func TestNoOrder(t *testing.T) {
	s := newSimulation(20_000)
	ops := s.ops(1000)
	slices.Reverse(ops)
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, encoded(t, s.meta(), ops, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &Log{stored: &stored{path: path, room: 1, most: 5000}}
	if err := log.stored.survey(log); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "more memory") {
		t.Errorf("the error is %v", err)
	}
}
