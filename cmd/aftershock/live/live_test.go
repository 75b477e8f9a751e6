package live

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sampleMoment() harness.Progress {
	return harness.Progress{Plan: "p", Phase: "measure", Elapsed: 4200 * time.Millisecond, Total: 14 * time.Second, Acked: 15020, Failed: 12, Unknown: 3,
		Rate: 2012, WriteP99: 1234 * time.Microsecond, Primary: "n2", Faults: []string{"f1 kill"},
		Nodes:     []harness.NodeMoment{{Name: "n1", Faults: []string{"kill"}}, {Name: "n2", Role: "primary", Primary: true}, {Name: "n3", Role: "replica", Lag: &harness.Lagging{Time: 1270 * time.Millisecond, Bytes: 4096}}, {Name: "n4", Role: "replica", Lag: &harness.Lagging{Time: -1, Bytes: 3 << 20}}, {Name: "n5", Role: "replica", Lag: &harness.Lagging{Bytes: -1}}},
		NextFault: "partition isolate primary", Next: 4800 * time.Millisecond}
}

// TestView: who is primary, what is broken, what comes next, how fast it goes.
func TestView(t *testing.T) {
	v := &view{title: "p", word: "launching", began: time.Now(), now: time.Now()}
	if s := v.View(); !strings.Contains(s, "launching") {
		t.Error(s)
	}
	m := sampleMoment()
	m.Linearizable = checkers.False
	for range 3 * sparks {
		v.Update(moment{"p", m, time.Now()})
	}
	s := v.View()
	for _, want := range []string{"measure", "4.2/14s", "partition isolate primary in 4.8s", "n1 no answer", "⚡ kill", "n2 primary", "n3 replica 1.27s behind", "n4 replica 3.0 MiB behind", "n5 replica caught up", "2,012 op/s", "1.23ms",
		"15,020 acknowledged, 12 failed, 3 unknown", "not linearizable"} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is not in\n%s", want, s)
		}
	}
	if len(v.rates) != sparks {
		t.Errorf("%d moments are kept", len(v.rates))
	}
	v.Update(over{})
	if s := v.View(); s != "" {
		t.Errorf("%q is left", s)
	}
}

// TestPlain: without a terminal each thing that happens is one whole line, told once.
func TestPlain(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := New(w, false)
	d.Begin(Run{Plan: "p", Number: 2, Of: 3, Varied: []string{"target.replicas=4"}})
	m := sampleMoment()
	m.Faults = nil
	for range 3 {
		d.Show(m)
	}
	m.Faults = []string{"f1 kill"}
	d.Show(m)
	d.Show(m)
	m.Elapsed, m.Faults = 5*time.Second, nil
	d.Show(m)
	d.Clear()
	w.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := "[2/3] p target.replicas=4: launching\n[2/3] p target.replicas=4: measure\n" +
		"[2/3] p target.replicas=4: 4.2s: f1 kill\n[2/3] p target.replicas=4: 5s: f1 kill is over\n"
	if string(got) != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// How long a phase is likely to take: as it did before, or as its share tells, until it
// takes longer.
func TestLikely(t *testing.T) {
	for _, c := range []struct {
		usual time.Duration
		share float64
		lasts time.Duration
		want  string
	}{
		{7 * time.Second, 0, 3 * time.Second, " of about 7s"},
		{7 * time.Second, 0, 8 * time.Second, ""},
		{0, 0, 8 * time.Second, ""},
		{7 * time.Second, 0.25, 5 * time.Second, " of about 20s"},
		{300 * time.Millisecond, 0, 100 * time.Millisecond, ""},
		{-7 * time.Second, 0, time.Second, ""},
	} {
		v := view{last: &moment{Progress: harness.Progress{Usual: c.usual, Share: c.share}}}
		if got := v.likely(c.lasts); got != c.want {
			t.Errorf("%v before, %v of it done after %v: %q, want %q", c.usual, c.share, c.lasts, got, c.want)
		}
	}
}

// TestTerminal: what is drawn goes away for other output, and logs come above it.
func TestTerminal(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var shown bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			shown.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	awaits := func(word string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			found := strings.Contains(shown.String(), word)
			mu.Unlock()
			if found {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q is not shown in %q", word, shown.String())
			}
		}
	}
	d := New(terminal, false)
	d.Begin(Run{Plan: "p", Number: 1, Of: 1})
	awaits("launching")
	d.Show(harness.Progress{Plan: "p", Phase: "form", Usual: 7 * time.Second})
	awaits("of about 7s")
	d.Show(sampleMoment())
	awaits("n2 primary")
	if _, err := io.WriteString(d, "level=INFO msg=told\n"); err != nil {
		t.Fatal(err)
	}
	awaits("level=INFO msg=told")
	d.Clear()
	d.Show(sampleMoment()) // late, of a run that is over
	ctx, over := Judging(t.Context(), terminal, "some/history")
	awaits("some/history")
	checkers.Tell(ctx, 0.5)
	awaits("judge")
	over()
	checkers.Tell(ctx, 0.6) // late
	if _, err := io.WriteString(terminal, "HOLDS"); err != nil {
		t.Fatal(err)
	}
	awaits("HOLDS")
	terminal.Close()
	master.Close()
	<-read
}
