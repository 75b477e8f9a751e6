package history

import (
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history/clocks"
)

func drivenMeta(widths ...[]clocks.Width) Meta {
	m := Meta{Run: "r", Nodes: []string{"n1"}, Workloads: []WorkloadMeta{{Name: "register", Type: "register", Keys: 4, Workers: 2 * len(widths)}}}
	for i, w := range widths {
		m.Drivers = append(m.Drivers, Driver{Name: "driver" + string(rune('1'+i)), Workers: [][2]int{{2 * i, 2*i + 2}}, Clock: w})
	}
	return m
}

func TestWidened(t *testing.T) {
	log := &Log{Meta: drivenMeta([]clocks.Width{{Early: 1, Late: 2}, {From: 100, Early: 50, Late: 40}, {From: 200, Early: 1, Late: 2}}, nil)}
	add := func(worker uint16, start, end int64, flags uint8) {
		log.Ops = append(log.Ops, Op{Worker: worker, Intended: start, Start: start, End: end, Process: uint32(worker), Flags: flags})
	}
	add(0, 10, 20, 0)
	add(2, 90, 95, 0)           // of a driver without widths
	add(1, 110, 150, 0)         // not earlier than what came before the clock was in doubt
	add(0, 160, 210, 0)         // not later than what comes after
	add(0, 300, 301, FinalRead) // the harness's
	wide, origin := log.Widened()
	type times struct{ worker, start, end int64 }
	var got []times
	for i, op := range wide.Ops {
		got = append(got, times{int64(op.Worker), op.Start, op.End})
		if from := log.Ops[origin[i]]; from.Worker != op.Worker || from.Flags != op.Flags || op.Intended > op.Start {
			t.Errorf("%d is %+v of %+v", i, op, from)
		}
	}
	want := []times{{0, 9, 22}, {2, 90, 95}, {1, 99, 190}, {0, 110, 212}, {0, 300, 301}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if log.Span() != 50 || log.UsualSpan() != 2 {
		t.Errorf("spans %d, %d", log.Span(), log.UsualSpan())
	}
	plain := &Log{Meta: drivenMeta(nil), Ops: log.Ops}
	if same, origin := plain.Widened(); same != plain || origin != nil || plain.Reorder(nil) != nil {
		t.Error("a log without doubt is widened")
	}
}

// TestDamagedWidths: whatever a file says, nothing panics.
func TestDamagedWidths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var widths []clocks.Width
		for range rapid.IntRange(1, 4).Draw(t, "widths") {
			widths = append(widths, clocks.Width{From: rapid.Int64().Draw(t, "from"), Early: rapid.Int64().Draw(t, "early"), Late: rapid.Int64().Draw(t, "late")})
		}
		log := &Log{Meta: drivenMeta(widths)}
		log.Meta.Drivers[0].Workers = [][2]int{{rapid.Int().Draw(t, "a"), rapid.Int().Draw(t, "b")}, {0, 9}}
		for range 5 {
			log.Ops = append(log.Ops, Op{Workload: uint8(rapid.IntRange(0, 3).Draw(t, "w")), Start: rapid.Int64().Draw(t, "s"), End: rapid.Int64().Draw(t, "e")})
		}
		log.Widened()
		if r := log.Reorder(func(*Op) {}); r != nil {
			for i := range log.Ops {
				r.Add(&log.Ops[i])
			}
			r.End()
		}
	})
}

func drawDriven(t *rapid.T, drivers int) *Log {
	var widths [][]clocks.Width
	for range drivers {
		var one []clocks.Width
		for at := int64(-1 << 40); at < 1000; at = max(at, 0) + rapid.Int64Range(1, 500).Draw(t, "piece") {
			one = append(one, clocks.Width{From: at, Early: rapid.Int64Range(0, 60).Draw(t, "early"), Late: rapid.Int64Range(0, 60).Draw(t, "late")})
		}
		widths = append(widths, one)
	}
	log := &Log{Meta: drivenMeta(widths...)}
	for range rapid.IntRange(1, 60).Draw(t, "ops") {
		start := rapid.Int64Range(0, 1000).Draw(t, "start")
		log.Ops = append(log.Ops, Op{Worker: uint16(rapid.IntRange(0, 2*drivers-1).Draw(t, "worker")), Process: uint32(len(log.Ops)), Start: start, Intended: start, End: start + rapid.Int64Range(0, 90).Draw(t, "took"), Value: int64(len(log.Ops))})
	}
	Sort(log.Ops)
	return log
}

// TestReorderIsWidened: a pass hands on what the widened log has, in its order.
func TestReorderIsWidened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawDriven(t, 3)
		wide, _ := log.Widened()
		var got []Op
		r := log.Reorder(func(op *Op) { got = append(got, *op) })
		if r == nil {
			return // no doubt was drawn
		}
		for i := range log.Ops {
			r.Add(&log.Ops[i])
		}
		r.End()
		if !slices.EqualFunc(got, wide.Ops, func(a, b Op) bool { return a.Value == b.Value && a.Start == b.Start && a.End == b.End }) {
			t.Fatalf("got  %v\nwant %v", got, wide.Ops)
		}
	})
}

// TestJoin: the parts' operations by start, in the times of the whole, and the end mark
// only of what is whole.
func TestJoin(t *testing.T) {
	for _, torn := range []bool{false, true} {
		dir := t.TempDir()
		meta := drivenMeta([]clocks.Width{{Early: 3, Late: 3}}, []clocks.Width{{Early: 5, Late: 5}})
		var parts []Source
		for p, shift := range []int64{0, -1000} {
			part := &Log{Meta: drivenMeta(), Torn: torn && p == 1}
			part.Meta.Workloads = meta.Workloads
			for i := range int64(50_000) {
				part.Ops = append(part.Ops, Op{Worker: uint16(2 * p), Process: uint32(p), Kind: Write, Outcome: OK, Value: i, Start: 10*i + int64(p)*3 - shift, Intended: 10*i - shift, End: 10*i + 25 - shift})
			}
			path := filepath.Join(dir, string(rune('a'+p)))
			if err := Save(path, part); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, Source{Path: path, Map: func(op *Op) { op.Start, op.End, op.Intended = op.Start+shift, op.End+shift, op.Intended+shift }})
		}
		path := filepath.Join(dir, FileName)
		lengths, err := Join(path, meta, parts, true)
		if err != nil || !slices.Equal(lengths, []int{50_000, 50_000}) {
			t.Fatal(lengths, err)
		}
		log, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if log.Torn != torn || len(log.Ops) != 100_000 || log.Span() != 5 {
			t.Fatalf("torn %v, %d operations, span %d", log.Torn, len(log.Ops), log.Span())
		}
		for i, op := range log.Ops {
			if i > 0 && Less(&log.Ops[i-1], &op) > 0 || op.Start != 10*op.Value+int64(op.Process)*3 || op.End != 10*op.Value+25 {
				t.Fatalf("%d is %+v", i, op)
			}
		}
	}
}
