package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestEvents: whatever is told is one object a line, with what docs/events.md says.
func TestEvents(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := NewEvents(w)
	d.Begin(Run{Plan: "p", Number: 2, Of: 3, Varied: []string{"seed=2"}})
	m := sampleMoment()
	m.Run, m.Began, m.Linearizable = "the-run", time.Unix(1_800_000_000, 0), checkers.False
	m.Events = []history.Event{{At: int64(2 * time.Second), Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}, Detail: "a\n{\"event\":\"verdict\"}"},
		{Kind: history.EventPhase, Detail: "measure"}}
	d.Show(m)
	m.Events = nil
	d.Show(m) // within the second: nothing is new
	fmt.Fprintf(d, "level=INFO msg=x\nsecond line\n")
	d.Fail(errors.New("no \"luck\"\n"))
	d.Clear()
	d.Judged("p", "the-run", "violated", 1, "runs/the-run")
	w.Close()
	var lines []map[string]any
	for in := bufio.NewScanner(r); in.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		lines = append(lines, line)
	}
	want := []string{
		`launching plan=p number=2 of=3 varied=[seed=2] run=<nil>`,
		`fault plan=p run=the-run at_ns=2e+09 fault=f1 name=kill nodes=[n1] time=2027-01-15T08:00:02Z`,
		`phase at_ns=0 detail=measure time=2027-01-15T08:00:00Z`,
		`moment phase=measure elapsed_s=4.2 total_s=14 acknowledged=15020 refused=12 unknown=3 rate=2012 write_p99_ms=1.234 primary=n2 in_force=[f1 kill] next_s=4.8 contradicted=true`,
		`log text=level=INFO`, `log text=second`, `error plan=p run=the-run`, `verdict plan=p run=the-run verdict=violated exit=1 dir=runs/the-run`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	for i, w := range want {
		event, rest, _ := strings.Cut(w, " ")
		if lines[i]["event"] != event {
			t.Errorf("line %d is %v, want %s", i, lines[i], w)
		}
		for _, word := range strings.Fields(strings.ReplaceAll(rest, "[f1 kill]", "[f1_kill]")) {
			key, value, _ := strings.Cut(word, "=")
			got := strings.ReplaceAll(fmt.Sprint(lines[i][key]), "f1 kill", "f1_kill")
			if got != value && (key != "text" || !strings.HasPrefix(got, value)) {
				t.Errorf("%s of line %d is %s, want %s", key, i, got, value)
			}
		}
	}
}
