package foreign

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// seeds are the files of testdata whose format is one of those.
func seeds(f *testing.F, formats ...Format) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, format := range formats {
			if Recognise(text) == format {
				f.Add(text)
			}
		}
	}
}

// drain reads all entries of a text; the reader must end and not panic, and
// give the same error again or io.EOF.
func drain(t *testing.T, format Format, text []byte) {
	events := formats[format].open(bytes.NewReader(text), "fuzz")
	for range len(text) + 1 {
		e, err := events.next()
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
		if e.line < 1 || e.line > bytes.Count(text, []byte("\n"))+1 {
			t.Fatalf("line %d", e.line)
		}
	}
	t.Fatal("more entries than bytes")
}

func FuzzEDN(f *testing.F) {
	seeds(f, EDN)
	f.Add([]byte("[#_{} {:a ^{:b c} #x \\newline, :d \"\\u00e9\"}"))
	f.Fuzz(func(t *testing.T, text []byte) { drain(t, EDN, text) })
}

func FuzzJSON(f *testing.F) {
	seeds(f, JSON)
	f.Fuzz(func(t *testing.T, text []byte) { drain(t, JSON, text) })
}

func FuzzText(f *testing.F) {
	seeds(f, Text)
	f.Fuzz(func(t *testing.T, text []byte) { drain(t, Text, text) })
}

// FuzzRead reads whole histories by any model; what is read must be sound.
func FuzzRead(f *testing.F) {
	seeds(f, EDN, JSON, Text)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, model := range append([]string{""}, Models()...) {
			i, err := Read(bytes.NewReader(text), "fuzz", Options{Model: model})
			if err != nil {
				continue
			}
			if len(i.Log.Ops) == 0 || len(i.Log.Meta.Workloads) != 1 {
				t.Fatalf("%d operations, meta %+v", len(i.Log.Ops), i.Log.Meta)
			}
			for _, op := range i.Log.Ops {
				if op.End < op.Start || int(op.Node) >= len(i.Log.Meta.Nodes) {
					t.Fatalf("%+v", op)
				}
			}
		}
	})
}
