package victim

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "tick" {
		tick()
		return
	}
	goleak.VerifyTestMain(m)
}

// tick prints a line every few milliseconds, each from another thread.
func tick() {
	for i := 0; ; i++ {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			fmt.Println(i)
			close(done)
		}()
		<-done
		time.Sleep(2 * time.Millisecond)
	}
}

// start starts a program of that name that ticks, and returns its lines.
func start(t *testing.T, name string) (*exec.Cmd, <-chan string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "tick")
	cmd.Args[0] = "/somewhere/" + name
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: 0}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1<<16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait()
	})
	return cmd, lines
}

func next(t *testing.T, lines <-chan string) {
	t.Helper()
	select {
	case _, ok := <-lines:
		if !ok {
			t.Fatal("it has ended")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it stands")
	}
}

// still waits until what was said before has come, and then for silence.
func still(t *testing.T, lines <-chan string) {
	t.Helper()
	for said := true; said; {
		select {
		case _, said = <-lines:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
	t.Fatal("it has ended")
}

func TestPauseAndResume(t *testing.T) {
	_, lines := start(t, "ticker-one")
	_, others := start(t, "ticker-two")
	next(t, lines)
	p := New()
	defer p.Close()
	for range 3 {
		e, err := p.Pause(cluster.Action{Process: "ticker-one"})
		if err != nil || !e.Changed {
			t.Fatalf("pause: %+v, %v", e, err)
		}
		if took := time.Since(e.At); took < 0 || took > 10*time.Second {
			t.Errorf("it took effect %s ago", took)
		}
		still(t, lines)
		next(t, others)
		if e, err := p.Pause(cluster.Action{Process: "ticker-one"}); err != nil || e.Changed {
			t.Errorf("a second pause: %+v, %v", e, err)
		}
		if e, err := p.Resume(cluster.Action{}); err != nil || !e.Changed {
			t.Fatalf("resume: %+v, %v", e, err)
		}
		next(t, lines)
	}
	if e, err := p.Pause(cluster.Action{Process: "no-such-program"}); err != nil || e.Changed {
		t.Errorf("of nothing: %+v, %v", e, err)
	}
	if e, err := p.Resume(cluster.Action{}); err != nil || e.Changed {
		t.Errorf("of nothing: %+v, %v", e, err)
	}
}

// A pause ends with its guest, and a process that was killed meanwhile is gone.
func TestCloseAndKill(t *testing.T) {
	_, lines := start(t, "ticker-three")
	dead, said := start(t, "ticker-four")
	next(t, lines)
	next(t, said)
	p := New()
	for _, name := range []string{"ticker-three", "ticker-four"} {
		if _, err := p.Pause(cluster.Action{Process: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range said { // to its end
	}
	p.Close()
	still2 := time.Now()
	next(t, lines)
	if time.Since(still2) > 5*time.Second {
		t.Error("it was not let go")
	}
}

func TestCrash(t *testing.T) {
	cmd, lines := start(t, "ticker-five")
	_, others := start(t, "ticker-six")
	next(t, lines)
	p := New()
	defer p.Close()
	e, err := p.Crash(cluster.Action{Process: "ticker-five"})
	if err != nil || !e.Changed {
		t.Fatalf("crash: %+v, %v", e, err)
	}
	for range lines {
	}
	_ = cmd.Wait()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
	next(t, others)
	if e, err := p.Crash(cluster.Action{Process: "ticker-five"}); err != nil || e.Changed {
		t.Errorf("of nothing: %+v, %v", e, err)
	}
}

// The kernel kills what is seized with the option when the thread that seized ends.
func TestSeizeToKill(t *testing.T) {
	cmd, lines := start(t, "ticker-seven")
	next(t, lines)
	fire, err := seizeToKill(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		next(t, lines)
	}
	close(fire)
	for range lines {
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a ) b) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 1 2"))
	f.Fuzz(func(t *testing.T, text []byte) { parseStat(text) })
}

func TestParseStat(t *testing.T) {
	state, started, ok := parseStat([]byte("12 (a ) b) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 1 2"))
	if state != 'S' || started != 424242 || !ok {
		t.Errorf("%c %d %t", state, started, ok)
	}
}
