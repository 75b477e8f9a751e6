package checkers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// txnOf reads a transaction from a line such as
//
//	0-10 p1 ok a1.5 r2[1,2] r3? a1.6
//
// which is: begin and end, process, outcome, append 5 to list 1, read list 2
// as [1 2], read list 3 with an unknown result.
func txnOf(t *testing.T, line string) history.Op {
	t.Helper()
	op := history.Op{Kind: history.Txn}
	fields := strings.Fields(line)
	if _, err := fmt.Sscanf(fields[0], "%d-%d", &op.Start, &op.End); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if _, err := fmt.Sscanf(fields[1], "p%d", &op.Process); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	op.Outcome = map[string]history.Outcome{"ok": history.OK, "fail": history.Fail, "unknown": history.Unknown}[fields[2]]
	for _, f := range fields[3:] {
		m := history.Micro{Read: f[0] == 'r'}
		switch rest := f[1:]; {
		case !m.Read:
			fmt.Sscanf(rest, "%d.%d", &m.Key, &m.Value)
		case strings.HasSuffix(rest, "?"):
			fmt.Sscanf(rest, "%d?", &m.Key)
		default:
			at := strings.IndexByte(rest, '[')
			key, _ := strconv.Atoi(rest[:at])
			m.Key, m.Known = uint32(key), true
			for v := range strings.SplitSeq(strings.Trim(rest[at:], "[]"), ",") {
				if n, err := strconv.ParseInt(v, 10, 64); err == nil {
					m.List = append(m.List, n)
				}
			}
		}
		op.Elements = history.AppendMicro(op.Elements, m)
	}
	op.Start, op.End = op.Start*ms, op.End*ms
	op.Intended = op.Start
	return op
}

// TestPlantedAnomalies plants each class of anomaly and looks for exactly it.
func TestPlantedAnomalies(t *testing.T) {
	for name, tc := range map[string]struct {
		lines string
		want  string // classes found, sorted
		level string
	}{
		"nothing wrong": {`
			0-10 p0 ok a1.1 a2.1
			20-30 p0 ok r1[1] a1.2 r1[1,2]
			40-50 p1 ok r1[1,2] r2[1]`, "", "strict serializable"},
		"G0": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok a1.2 a2.2
			95-99 p2 ok r1[1,2] r2[2,1]`, "G0", ""},
		"G1a": {`
			0-10 p0 fail a1.1
			20-30 p1 ok r1[1]`, "G1a", "read uncommitted"},
		"G1b": {`
			0-90 p0 ok a1.1 a1.2
			0-90 p1 ok r1[1]
			95-99 p2 ok r1[1,2]`, "G-single G1b", "read uncommitted"},
		"G1c": {`
			0-90 p0 ok a1.1 r2[1]
			0-90 p1 ok a2.1 r1[1]`, "G1c", "read uncommitted"},
		"dirty update": {`
			0-10 p0 fail a1.1
			20-30 p1 ok a1.2
			40-50 p2 ok r1[1,2]`, "G1a dirty-update", "read uncommitted"},
		"G-single": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok r1[1] r2[]
			95-99 p2 ok r1[1] r2[1]`, "G-single", "read committed"},
		"lost update": {`
			0-90 p0 ok r1[] a1.1
			0-90 p1 ok r1[] a1.2
			95-99 p2 ok r1[1,2]`, "G-single lost-update", "read committed"},
		"G2": {`
			0-90 p0 ok r1[] a2.1
			0-90 p1 ok r2[] a1.1
			95-99 p2 ok r1[1] r2[1]`, "G2-item", "snapshot isolation"},
		"G-nonadjacent": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok r1[1] r3[]
			0-90 p2 ok a3.1 a4.1
			0-90 p3 ok r3[1] r1[]
			95-99 p4 ok r1[1] r2[1] r3[1] r4[1]`, "G-nonadjacent", "read committed"},
		"internal": {`
			0-10 p0 ok a1.1 r1[]
			20-30 p1 ok r1[1]`, "internal", "read committed"},
		"internal, reads differ": {`
			0-10 p0 ok a1.1
			20-90 p0 ok r1[1] r1[1,2]
			20-90 p1 ok a1.2`, "internal", "read committed"},
		"phantom": {`
			0-10 p0 ok r1[7]`, "phantom-element", "read uncommitted"},
		"duplicate": {`
			0-10 p0 ok a1.1
			20-30 p0 ok r1[1,1]`, "duplicate-element", ""},
		"incompatible order": {`
			0-90 p0 ok a1.1
			0-90 p1 ok a1.2
			0-90 p2 ok r1[1,2]
			0-90 p3 ok r1[2]`, "incompatible-order", ""},
		"stale read": {`
			0-10 p0 ok a1.1
			20-30 p1 ok r1[]
			40-50 p2 ok r1[1]`, "G-single-realtime", "strong session serializable"},
		"stale read of an own write": {`
			0-10 p0 ok a1.1
			20-30 p0 ok r1[]
			40-50 p2 ok r1[1]`, "G-single-process", "serializable"},
		"an acknowledged element nobody reads": {`
			0-10 p0 ok a1.1
			20-30 p1 ok r1[]`, "G-single-realtime", "strong session serializable"},
		"an unknown append that was read": {`
			0-10 p0 unknown a1.1 r2?
			20-30 p1 ok r1[1]`, "", "strict serializable"},
		"an unknown append that was not": {`
			0-10 p0 unknown a1.1
			20-30 p1 ok r1[]`, "", "strict serializable"},
		"writes against real time": {`
			0-10 p0 ok a1.1
			20-30 p1 ok a1.2
			40-50 p2 ok r1[2,1]`, "G0-realtime", "strong session serializable"},
	} {
		var ops []history.Op
		for line := range strings.SplitSeq(strings.TrimSpace(tc.lines), "\n") {
			ops = append(ops, txnOf(t, line))
		}
		r := checkAppend(context.Background(), logOf(appendType, ops...), DefaultLimits)
		var classes []string
		for _, f := range r.Findings {
			classes = append(classes, string(f.Class))
		}
		slices.Sort(classes)
		if got := strings.Join(slices.Compact(classes), " "); got != tc.want {
			t.Errorf("%s: found %q, want %q: %v", name, got, tc.want, r.Findings)
		}
		if got := isolationLevel(r.Values); got != tc.level {
			t.Errorf("%s: the level is %q, want %q", name, got, tc.level)
		}
	}
}

// listStore simulates a store of lists. Its isolation is broken on purpose
// now and then.
func listHistory(r *rand.Rand, n, keys int, broken bool) []history.Op {
	state := make([][]int64, keys)
	stale := make([][]int64, keys)
	var ops []history.Op
	now, value := int64(0), int64(0)
	clocks := make([]int64, 3)
	for i := range n {
		p := r.IntN(len(clocks))
		now += int64(r.IntN(4))
		op := history.Op{Kind: history.Txn, Process: uint32(p), Outcome: history.OK}
		op.Start = max(clocks[p], now-int64(r.IntN(6)))
		now = max(now, op.Start)
		op.End = now + int64(r.IntN(6))
		clocks[p] = op.End + 1
		fails := r.IntN(12)
		bad := broken && r.IntN(3) == 0
		next := slices.Clone(state)
		for range 1 + r.IntN(3) {
			k := r.IntN(keys)
			if r.IntN(2) == 0 {
				value++
				next[k] = append(slices.Clone(next[k]), value)
				op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: uint32(k), Value: value})
				continue
			}
			m := history.Micro{Key: uint32(k), Read: true, Known: fails > 1, List: next[k]}
			if bad && r.IntN(2) == 0 {
				m.List = stale[k]
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
		switch {
		case fails == 0:
			op.Outcome = history.Fail
			if bad {
				state = next
			}
		case fails == 1:
			op.Outcome = history.Unknown
			op.End = now + 20
			clocks[p] = op.End
			if r.IntN(2) == 0 {
				state = next
			}
		default:
			if !bad || r.IntN(3) > 0 {
				if r.IntN(3) == 0 {
					stale = state
				}
				state = next
			}
		}
		ops = append(ops, op)
		_ = i
	}
	return ops
}

// serialOrder tries every order of the acknowledged transactions and of any of
// the unknown ones.
func serialOrder(ops []history.Op, realtime bool) bool {
	var must, may []history.Op
	for _, op := range ops {
		switch op.Outcome {
		case history.OK:
			must = append(must, op)
		case history.Unknown:
			op.End = never
			may = append(may, op)
		}
	}
	for choice := range 1 << len(may) {
		chosen := slices.Clone(must)
		for i := range may {
			if choice>>i&1 == 1 {
				chosen = append(chosen, may[i])
			}
		}
		if serialFrom(chosen, make([]bool, len(chosen)), map[uint32]string{}, realtime) {
			return true
		}
	}
	return false
}

func serialFrom(ops []history.Op, done []bool, state map[uint32]string, realtime bool) bool {
	left := false
	for i := range ops {
		if done[i] {
			continue
		}
		left = true
		first := true
		for j := range ops {
			first = first && (!realtime || done[j] || ops[j].End >= ops[i].Start)
		}
		if !first {
			continue
		}
		next, ok := applied(state, &ops[i])
		if !ok {
			continue
		}
		done[i] = true
		found := serialFrom(ops, done, next, realtime)
		done[i] = false
		if found {
			return true
		}
	}
	return !left
}

func applied(state map[uint32]string, op *history.Op) (map[uint32]string, bool) {
	next := map[uint32]string{}
	for k, v := range state {
		next[k] = v
	}
	micros, _ := history.Micros(op.Elements)
	for _, m := range micros {
		if !m.Read {
			next[m.Key] += fmt.Sprint(m.Value, ",")
			continue
		}
		want := ""
		for _, v := range m.List {
			want += fmt.Sprint(v, ",")
		}
		if m.Known && op.Outcome == history.OK && next[m.Key] != want {
			return nil, false
		}
	}
	return next, true
}

// TestTransactionsAgreeWithBruteForce compares with a search over all serial
// orders. What the checker calls violated must be; and where every element was
// read in the end it must miss nothing.
func TestTransactionsAgreeWithBruteForce(t *testing.T) {
	counts := map[string]int{}
	for seed := range 20000 {
		r := rand.New(rand.NewPCG(uint64(seed), 31))
		ops := listHistory(r, 2+r.IntN(6), 1+r.IntN(3), seed%3 > 0)
		complete := seed%2 == 0
		if complete { // one transaction reads everything at last
			op := history.Op{Kind: history.Txn, Process: 9, Outcome: history.OK, Start: 1000, End: 1001}
			for k := range uint32(3) {
				var longest []int64
				for _, o := range ops {
					micros, _ := history.Micros(o.Elements)
					for _, m := range micros {
						if m.Key == k && !m.Read && o.Outcome == history.OK {
							longest = append(longest, m.Value)
						}
					}
				}
				op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: k, Read: true, Known: true, List: longest})
			}
			ops = append(ops, op)
		}
		log := logOf(appendType, ops...)
		res := checkAppend(context.Background(), log, DefaultLimits)
		values := map[string]float64{}
		for _, v := range res.Values {
			values[v.Name] = v.N
			if strings.HasSuffix(v.Name, "able") && !v.Known && !strings.HasPrefix(v.Why, "no transaction") {
				t.Fatalf("seed %d: %+v", seed, v)
			}
		}
		if values["append.txns"] == 0 {
			continue
		}
		for fact, realtime := range map[string]bool{"append.serializable": false, "append.strict_serializable": true} {
			want, got := serialOrder(log.Ops, realtime), values[fact] == 1
			counts[fmt.Sprint(fact, " ", got, " ", want)]++
			if want && !got {
				t.Fatalf("seed %d: %s is called violated, but there is an order: %v\n%v", seed, fact, res.Findings, show2(log.Ops))
			}
			if got && !want && complete {
				t.Fatalf("seed %d: %s is missed:\n%s", seed, fact, show2(log.Ops))
			}
		}
	}
	t.Log(counts)
}

func show2(ops []history.Op) string {
	var b strings.Builder
	for _, op := range ops {
		micros, _ := history.Micros(op.Elements)
		fmt.Fprintf(&b, "%d-%d p%d %s", op.Start, op.End, op.Process, op.Outcome)
		for _, m := range micros {
			if m.Read {
				fmt.Fprintf(&b, " r%d%v", m.Key, m.List)
			} else {
				fmt.Fprintf(&b, " a%d.%d", m.Key, m.Value)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// isolationLevel names the strongest level of a result's values, for people.
func isolationLevel(values []Value) string {
	best := ""
	for _, v := range values {
		if slices.ContainsFunc(isolations, func(i isolation) bool { return i.fact == v.Name }) && v.Known && v.N == 1 {
			best = strings.ReplaceAll(strings.TrimPrefix(v.Name, "append."), "_", " ")
		}
	}
	return best
}
