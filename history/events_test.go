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
		Nodes: rapid.SliceOfN(text, 1, 3).Draw(t, "nodes"), Epoch: rapid.Uint64().Draw(t, "epoch"), Dropped: rapid.Uint64().Draw(t, "dropped"),
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
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
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
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	events, err := ReadEvents(path)
	if err != nil || len(events) != 800 {
		t.Fatalf("%d events of 800, %v", len(events), err)
	}
	next := [8]int64{}
	for _, e := range events {
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
		if got, err := decodeEvents(strings.NewReader(whole[:cut]), "e"); err != nil || len(got) != want {
			t.Errorf("cut at %d: %d events, want %d, %v", cut, len(got), want, err)
		}
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
	if events, err := ReadEvents(path); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("{\"at\":1,\"kind\":\"phase\"}\n{\"at\":2,"))
	f.Add([]byte("\n"))
	f.Add([]byte("null\n[]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := decodeEvents(bytes.NewReader(b), "e")
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("the error does not wrap ErrFormat: %v", err)
		}
		if len(events) > bytes.Count(b, []byte("\n"))+1 {
			t.Fatalf("%d events from %q", len(events), b)
		}
	})
}
