package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// FuzzReadVerdict reads any verdict and writes every report of those that are
// taken: reports are made of files that people may have changed.
func FuzzReadVerdict(f *testing.F) {
	whole, err := json.Marshal(finished("ripple", "p", results.Violated, "writes.lost=3 lag.p99=12000000"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"claims":[{"claim":"a"}],"gates":[{}],"faults":[{"id":"x"}],"findings":[{"evidence":[{}]}],"latency":[{}],"lag":[{}]}`))
	f.Add([]byte(`{"version":-1,"nodes":null}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, rundir.VerdictFile), data, 0o644); err != nil {
			t.Fatal(err)
		}
		opened, err := rundir.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		v, err := opened.ReadVerdict()
		if err != nil {
			if !errors.Is(err, rundir.ErrRunDir) {
				t.Fatalf("the error does not wrap ErrRunDir: %v", err)
			}
			return
		}
		for _, write := range []func(io.Writer) error{
			func(w io.Writer) error { return Text(w, v, TextOptions{Width: 80, Color: true}) },
			func(w io.Writer) error { return JUnit(w, v, v) },
			func(w io.Writer) error { return JSON(w, v) },
			func(w io.Writer) error { return Markdown(w, v, v) },
			func(w io.Writer) error { return Comparison(w, v, v) },
			func(w io.Writer) error { return Table(w, []*results.Verdict{v, v}, "seed") },
		} {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			if !utf8.Valid(b.Bytes()) {
				t.Fatalf("not UTF-8: %q", b.Bytes())
			}
		}
		results.Worst(v)
	})
}

// FuzzSplice puts a table into any file: all around it stays, and doing it
// again changes nothing.
func FuzzSplice(f *testing.F) {
	f.Add("a\n"+TableBegin+"\nold\n"+TableEnd+"\nb", "| new |")
	f.Add(TableEnd+TableBegin, "")
	f.Add(TableBegin+TableEnd, "\n\n")
	f.Fuzz(func(t *testing.T, file, table string) {
		got, err := Splice(file, table)
		if err != nil {
			if !errors.Is(err, ErrMarks) {
				t.Fatalf("the error does not wrap ErrMarks: %v", err)
			}
			return
		}
		before, _, _ := strings.Cut(file, TableBegin)
		_, after, _ := strings.Cut(file, TableEnd)
		if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
			t.Fatalf("%q became %q", file, got)
		}
		if strings.Contains(table, TableBegin) || strings.Contains(table, TableEnd) {
			return
		}
		if again, err := Splice(got, table); err != nil || again != got {
			t.Fatalf("%q became %q, then %q (%v)", file, got, again, err)
		}
	})
}

func TestEvidence(t *testing.T) {
	elements := make([]int64, 100)
	for _, tc := range []struct {
		op   history.Op
		want string
	}{
		{history.Op{Kind: history.Write, Value: 7, Outcome: history.OK}, "write key 0 7 at n1, 0.000s to 0.000s, ok"},
		{history.Op{Kind: history.Read, Value: history.Nil, Outcome: history.OK}, "read key 0 nothing at n1, 0.000s to 0.000s, ok"},
		{history.Op{Kind: history.Read, Error: history.ErrTimeout}, "read key 0 at n1, 0.000s to 0.000s, unknown (timeout)"},
		{history.Op{Kind: history.CAS, Old: 1, Value: 2, Observed: 3, Flags: history.Seen, Outcome: history.Fail, Error: history.ErrCompare},
			"cas key 0 1 → 2, found 3 at n1, 0.000s to 0.000s, fail (compare)"},
		{history.Op{Kind: history.CAS, Old: 1, Value: 2, Outcome: history.OK, Node: -1}, "cas key 0 1 → 2, 0.000s to 0.000s, ok"},
		{history.Op{Kind: history.ReadSet, Elements: []int64{4, 5}, Outcome: history.OK, Flags: history.FinalRead}, "readset key 0 [4 5] at n1, 0.000s to 0.000s, ok, final read"},
		{history.Op{Kind: history.ReadSet, Outcome: history.OK}, "readset key 0 [] at n1, 0.000s to 0.000s, ok"},
		{history.Op{Kind: history.Enqueue, Value: 7}, "enqueue key 0 7 at n1, 0.000s to 0.000s, unknown"},
		{history.Op{Kind: history.Dequeue, Value: 7, Outcome: history.OK}, "dequeue key 0 7 at n1, 0.000s to 0.000s, ok"},
		{history.Op{Kind: history.Dequeue, Value: history.Nil, Outcome: history.OK}, "dequeue key 0 nothing at n1, 0.000s to 0.000s, ok"},
		{history.Op{Kind: history.Dequeue, Value: history.Nil, Error: history.ErrTimeout}, "dequeue key 0 at n1, 0.000s to 0.000s, unknown (timeout)"},
		{history.Op{Kind: history.Dequeue, Value: 7, Error: history.ErrConnLost}, "dequeue key 0 7 at n1, 0.000s to 0.000s, unknown (conn-lost)"},
		{history.Op{Kind: history.Drain, Value: history.Nil, Elements: []int64{4, 5}, Outcome: history.OK, Flags: history.FinalRead},
			"drain key 0 [4 5] at n1, 0.000s to 0.000s, ok, final"},
		{history.Op{Kind: history.Drain, Value: 6, Elements: []int64{4}, Flags: history.FinalRead},
			"drain key 0 [4], unacknowledged 6 at n1, 0.000s to 0.000s, unknown, final"},
	} {
		e := results.EvidenceOf(&tc.op, []string{"n1"})
		if got := evidenceLine(&e); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	e := results.EvidenceOf(&history.Op{Kind: history.ReadSet, Elements: elements}, nil)
	if len(e.Elements) != results.MaxElements || e.Size != 100 || !strings.Contains(evidenceLine(&e), "and 68 more") {
		t.Errorf("a large set gives %d of %d: %s", len(e.Elements), e.Size, evidenceLine(&e))
	}
}
