package results

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
)

// FuzzReadVerdict reads any verdict and writes every report of those that are
// taken: reports are made of files that people may have changed.
func FuzzReadVerdict(f *testing.F) {
	whole, err := json.Marshal(finished("ripple", "p", Violated, "writes.lost=3 lag.p99=12000000"))
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
		if err := os.WriteFile(filepath.Join(dir, VerdictFile), data, 0o644); err != nil {
			t.Fatal(err)
		}
		v, err := (&Dir{path: dir}).ReadVerdict()
		if err != nil {
			if !errors.Is(err, ErrRunDir) {
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
			func(w io.Writer) error { return Table(w, []*Verdict{v, v}, "seed") },
		} {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			if !utf8.Valid(b.Bytes()) {
				t.Fatalf("not UTF-8: %q", b.Bytes())
			}
		}
		Worst(v)
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
