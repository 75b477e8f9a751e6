package history

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func drawEvent(t *rapid.T) Event {
	// A valid UTF-8 text is what JSON can hold.
	text := rapid.String()
	return Event{At: rapid.Int64().Draw(t, "at"), Planned: rapid.Int64().Draw(t, "planned"), Kind: EventKind(text.Draw(t, "kind")),
		Fault: text.Draw(t, "fault"), Name: text.Draw(t, "name"), Node: text.Draw(t, "node"),
		Nodes: rapid.SliceOfN(text, 1, 3).Draw(t, "nodes"), Epoch: rapid.Uint64().Draw(t, "epoch"), Since: rapid.Int64().Draw(t, "since"), Dropped: rapid.Uint64().Draw(t, "dropped"),
		By: text.Draw(t, "by"), Lag: rapid.Ptr(rapid.Int64(), true).Draw(t, "lag"), Bytes: rapid.Ptr(rapid.Int64(), true).Draw(t, "bytes"),
		Failed: rapid.Bool().Draw(t, "failed"), Detail: text.Draw(t, "detail")}
}

func TestEventsComeBack(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, strings.Repeat("x", n))
		log, err := CreateEventLog(path)
		if err != nil {
			t.Fatal(err)
		}
		want := rapid.SliceOfN(rapid.Custom(drawEvent), 1, 10).Draw(t, "events")
		for _, e := range want {
			if err := log.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		got, err := ReadEvents(path) // while the writer is open
		if err != nil || !reflect.DeepEqual(got.Events, want) || got.Torn == "" {
			t.Fatalf("got %+v, %v, want %+v, torn", got, err, want)
		}
		files := map[string]string{"plan.yaml": Checksum([]byte("plan"))}
		if err := log.End(9, files); err != nil {
			t.Fatal(err)
		}
		got, err = ReadEvents(path)
		if err != nil || !reflect.DeepEqual(got, EventFile{Events: want, Marked: true, Files: files}) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestEventsFromManyGoroutines(t *testing.T) {
	path := filepath.Join(t.TempDir(), EventsFileName)
	log, err := CreateEventLog(path)
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 100 {
				if err := log.Append(Event{At: int64(i), Epoch: uint64(w), Detail: strings.Repeat("d", w*50)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := log.End(1, nil); err != nil {
		t.Fatal(err)
	}
	file, err := ReadEvents(path)
	if err != nil || len(file.Events) != 800 || file.Torn != "" {
		t.Fatalf("%d events of 800, torn %q, %v", len(file.Events), file.Torn, err)
	}
	next := [8]int64{}
	for _, e := range file.Events {
		if e.At != next[e.Epoch] {
			t.Fatalf("writer %d: event %d comes where %d should", e.Epoch, e.At, next[e.Epoch])
		}
		next[e.Epoch]++
	}
}

func TestEventsCutAnywhere(t *testing.T) {
	lines := []string{`{"at":1,"kind":"phase","detail":"measure"}`, `{"at":2,"kind":"fault","nodes":["n1"]}`, `{"at":3,"kind":"heal"}`}
	whole := strings.Join(lines, "\n") + "\n"
	for cut := range len(whole) + 1 {
		want := strings.Count(whole[:cut], "\n")
		if cut < len(whole) && whole[cut] == '\n' {
			want++ // the line is whole but for its end
		}
		if got, err := decodeEvents(strings.NewReader(whole[:cut]), "e"); err != nil || len(got.Events) != want || got.Torn == "" {
			t.Errorf("cut at %d: %d events, want %d, torn %q, %v", cut, len(got.Events), want, got.Torn, err)
		}
	}
}

// TestEventsThatAreNotWhole: whatever is missing of a marked file, or was changed
// in it, its reader is told.
func TestEventsThatAreNotWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), EventsFileName)
	log, err := CreateEventLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := log.Append(Event{At: int64(i), Kind: EventFault, Nodes: []string{"n1"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.End(5, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := func(what string, b []byte) {
		t.Helper()
		file, err := decodeEvents(bytes.NewReader(b), "e")
		if err == nil && file.Torn == "" {
			t.Errorf("%s: read as whole: %q", what, b)
		}
	}
	if file, err := decodeEvents(bytes.NewReader(whole), "e"); err != nil || file.Torn != "" || len(file.Events) != 4 {
		t.Fatalf("the whole file: %+v, %v", file, err)
	}
	for cut := range whole {
		torn("cut", whole[:cut])
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))
	for i := range lines {
		torn("a line dropped", bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil))
		torn("a line twice", bytes.Join(append(append(append([][]byte{}, lines[:i]...), lines[i]), lines[i:]...), nil))
	}
	torn("more after the end", append(bytes.Clone(whole), lines[0]...))
	for i := range whole[:len(whole)-1] {
		for _, by := range []byte{1, 4, 0x80} {
			b := bytes.Clone(whole)
			b[i] ^= by
			file, err := decodeEvents(bytes.NewReader(b), "e")
			end := i >= len(whole)-len(lines[4])
			if err == nil && file.Torn == "" && !end { // the mark's own time may be any
				t.Errorf("byte %d changed: read as whole: %q", i, b)
			}
		}
	}
}

// TestNoMarkAfterALostEvent: a file that lacks an event has no end mark.
func TestNoMarkAfterALostEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), EventsFileName)
	log, err := CreateEventLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(Event{Detail: strings.Repeat("x", maxEventBytes)}); err == nil {
		t.Fatal("it was written")
	}
	if err := log.End(1, nil); err != nil {
		t.Fatal(err)
	}
	if file, err := ReadEvents(path); err != nil || file.Torn == "" {
		t.Errorf("torn %q, %v", file.Torn, err)
	}
}

func TestDamagedEvents(t *testing.T) {
	for content, says := range map[string]string{
		"{\"at\":1}\nnonsense\n{\"at\":2}\n":                  "e:2:",
		"{\"at\":\"soon\"}\n":                                 "e:1:",
		"{\"at\":1}\n" + strings.Repeat("x", 2*maxEventBytes): "e:2:",
	} {
		if _, err := decodeEvents(strings.NewReader(content), "e"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: the error is %v, want %q", content, err, says)
		}
	}
}

func TestEventTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), EventsFileName)
	log, err := CreateEventLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(Event{Detail: strings.Repeat("x", maxEventBytes)}); err == nil {
		t.Error("it was written")
	}
	if err := log.Append(Event{At: 1}); err != nil {
		t.Errorf("the next event: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := log.Append(Event{At: 2}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Append after Close returns %v", err)
	}
	if file, err := ReadEvents(path); err != nil || len(file.Events) != 1 {
		t.Errorf("%d events, %v", len(file.Events), err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("{\"at\":1,\"kind\":\"phase\"}\n{\"at\":2,"))
	f.Add([]byte("\n"))
	f.Add([]byte("null\n[]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := decodeEvents(bytes.NewReader(b), "e")
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("the error does not wrap ErrFormat: %v", err)
		}
		if len(file.Events) > bytes.Count(b, []byte("\n"))+1 {
			t.Fatalf("%d events from %q", len(file.Events), b)
		}
	})
}
