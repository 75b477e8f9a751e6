package clock

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
)

// perl asks the C library: clock_gettime, gettimeofday, time.
const perl = `use Time::HiRes qw(clock_gettime usleep CLOCK_MONOTONIC CLOCK_REALTIME); $| = 1;
while (1) { my $m = clock_gettime(CLOCK_MONOTONIC); my $c = clock_gettime(CLOCK_REALTIME); my $g = Time::HiRes::time(); my $t = time();
  printf "%.0f %.0f %.0f %.0f\n", $m*1e9, $c*1e9, $g*1e9, $t*1e9; usleep(2000) }`

// node is one whose processes are this process's children.
type node struct {
	t      *testing.T
	s      *process.Supervisor
	clocks *Clocks
	said   chan []int64 // a line each
}

// unhookable ends a test where no clock can be hooked: on a processor that we have no
// hook for, but not on one that we have.
func unhookable(t *testing.T, err error) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// launch starts a server in a node, and reads what it says.
func launch(t *testing.T, spec cluster.ServerSpec) *node {
	t.Helper()
	if err := New(nil, nil).ready(); err != nil {
		unhookable(t, err)
	}
	s := process.NewSupervisor(process.Options{DataDir: filepath.Join(t.TempDir(), "data"), Logger: slog.New(slog.DiscardHandler)})
	n := &node{t: t, s: s, clocks: New(s, slog.New(slog.NewTextHandler(t.Output(), nil))), said: make(chan []int64)}
	s.OnStart(n.clocks.Started)
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { s.Reap(ctx) })
	background.Go(func() { n.read(ctx) })
	t.Cleanup(func() {
		if err := n.clocks.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		background.Wait()
	})
	if err := s.Start(spec); err != nil {
		t.Fatal(err)
	}
	return n
}

// read passes lines on to who wants one; those that nobody wants are dropped.
func (n *node) read(ctx context.Context) {
	var rest []byte
	buf := make([]byte, 4096)
	for at := uint64(0); ; {
		k, after, ok := n.s.NextOutput(ctx, at, buf)
		if !ok {
			return
		}
		at, rest = after, append(rest, buf[:k]...)
		for {
			line, more, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			rest = more
			v := make([]int64, 4)
			if c, _ := fmt.Sscan(string(line), &v[0], &v[1], &v[2], &v[3]); c != 4 {
				n.t.Logf("it says %q", line)
				continue
			}
			select {
			case n.said <- v:
			default:
			}
		}
	}
}

// next is the first line that began after now.
func (n *node) next() []int64 {
	n.t.Helper()
	from := monotonic()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case v := <-n.said:
			if v[0] > from {
				return v
			}
		case <-timeout:
			n.t.Fatal("the server says nothing")
		}
	}
}

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// off is by what a line's clocks are wrong: what they read for the instant of its monotonic
// clock, which is the same in all processes. As that is read a little before, it is a little
// more.
func off(v []int64) (clock, day, sec time.Duration) {
	wall := time.Now().UnixNano() - monotonic() // of this process: true
	return time.Duration(v[1] - v[0] - wall), time.Duration(v[2] - v[0] - wall), time.Duration(v[3] - v[0] - wall)
}

// wrong fails the test unless all clocks of the server are wrong by d.
func (n *node) wrong(d time.Duration) {
	n.t.Helper()
	const slack = 500 * time.Millisecond // between two readings of a loaded machine
	clock, day, sec := off(n.next())
	if (clock-d).Abs() > slack || (day-d).Abs() > slack || (sec-d).Abs() > slack+time.Second {
		n.t.Errorf("clocks are wrong by %s, %s, %s, want %s", clock, day, sec, d)
	}
}

// soonWrong waits until the server's clock is not the true one.
func (n *node) soonWrong() {
	for begin := time.Now(); time.Since(begin) < 20*time.Second; {
		if clock, _, _ := off(n.next()); clock.Abs() > time.Minute {
			return
		}
	}
}

func (n *node) do(f func(cluster.Action) (cluster.Effect, error), a cluster.Action) cluster.Effect {
	n.t.Helper()
	e, err := f(a)
	if err != nil {
		n.t.Fatal(err)
	}
	return e
}

// servers are programs that ask for the time in different ways.
func servers(t *testing.T) map[string]cluster.ServerSpec {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]cluster.ServerSpec{
		"go":          {Command: []string{self}, Env: map[string]string{"CLOCK_CHILD": "1"}},
		"go of shell": {Command: []string{"sh", "-c", "sleep 0.03; '" + self + "'; true"}, Env: map[string]string{"CLOCK_CHILD": "1"}},
	}
	if path, err := exec.LookPath("perl"); err == nil {
		all["perl"] = cluster.ServerSpec{Command: []string{path, "-e", perl}}
	} else {
		t.Log("no perl: the C library is not tested")
	}
	return all
}

func TestSkew(t *testing.T) {
	for name, spec := range servers(t) {
		t.Run(name, func(t *testing.T) {
			n := launch(t, spec)
			n.wrong(0)
			if err := n.clocks.Prepare(); err != nil {
				t.Fatal(err)
			}
			n.wrong(0)
			hour := cluster.Action{ID: "f1", Clock: &cluster.Clock{By: -time.Hour}}
			if e := n.do(n.clocks.Skew, hour); !e.Changed {
				t.Error("it changed nothing")
			}
			n.wrong(-time.Hour)
			if e := n.do(n.clocks.Skew, hour); e.Changed {
				t.Error("it came twice")
			}
			n.do(n.clocks.Skew, cluster.Action{ID: "f2", Clock: &cluster.Clock{By: 90 * time.Minute}})
			n.wrong(30 * time.Minute)

			n.do(n.s.Kill, cluster.Action{})
			n.do(n.s.Restart, cluster.Action{})
			if name == "go of shell" { // what executes another program has the true time for a moment
				n.soonWrong()
			}
			n.wrong(30 * time.Minute) // a server is wrong from its first line on

			if e := n.do(n.clocks.Unskew, hour); e.Counts[Shifted] < 2 || e.Counts[Shifted] > 6 {
				t.Errorf("counts %v, want two servers and their shells", e.Counts)
			}
			n.wrong(90 * time.Minute)
			n.do(n.clocks.Unskew, cluster.Action{ID: "f2"})
			n.wrong(0)
			if e := n.do(n.clocks.Unskew, cluster.Action{ID: "f2"}); e.Changed {
				t.Error("it ended twice")
			}
			n.untouched()
		})
	}
}

// untouched wants no hook to be left in any process.
func (n *node) untouched() {
	n.t.Helper()
	pids, err := n.s.Each()
	if err != nil || len(pids) == 0 {
		n.t.Fatal(pids, err)
	}
	for _, pid := range pids {
		tg, err := openTarget(pid, 0)
		if err != nil {
			continue
		}
		for _, p := range n.clocks.hook.patches {
			b := make([]byte, len(p.old))
			if _, err := tg.mem.ReadAt(b, int64(tg.vdso+p.at)); err != nil || !bytes.Equal(b, p.old) {
				n.t.Errorf("process %d has %x at %#x, want %x (%v)", pid, b, p.at, p.old, err)
			}
		}
		tg.close()
	}
}

func TestDriftAndStrobe(t *testing.T) {
	n := launch(t, servers(t)["go"])
	n.do(n.clocks.Skew, cluster.Action{ID: "f1", Clock: &cluster.Clock{Drift: -0.5}})
	first := n.next()
	begin, _, _ := off(first)
	for last := first; ; {
		v := n.next()
		if v[1] < last[1] {
			t.Fatalf("a clock that drifts went back by %s", time.Duration(last[1]-v[1]))
		}
		last = v
		if took := time.Duration(v[0] - first[0]); took > time.Second {
			end, _, _ := off(v)
			if want := begin - took/2; (end - want).Abs() > 300*time.Millisecond {
				t.Errorf("after %s it is wrong by %s, want %s", took, end, want)
			}
			break
		}
	}
	n.do(n.clocks.Unskew, cluster.Action{ID: "f1"})
	n.wrong(0)

	n.do(n.clocks.Skew, cluster.Action{ID: "f2", Clock: &cluster.Clock{By: time.Hour, Strobe: 30 * time.Millisecond}})
	far, near := 0, 0
	for start := time.Now(); time.Since(start) < 20*time.Second && (far < 3 || near < 3); {
		d, _, _ := off(n.next())
		switch {
		case (d - time.Hour).Abs() < time.Minute:
			far++
		case d.Abs() < time.Minute:
			near++
		default:
			t.Fatalf("a clock between two hours is wrong by %s", d)
		}
	}
	if far < 3 || near < 3 {
		t.Errorf("%d times an hour off, %d times right", far, near)
	}
	n.do(n.clocks.Unskew, cluster.Action{ID: "f2"})
	n.wrong(0)
}

// A paused node stays paused while its clock is shifted.
func TestSkewOfPaused(t *testing.T) {
	n := launch(t, servers(t)["go"])
	n.next()
	n.do(n.s.Pause, cluster.Action{})
	n.do(n.clocks.Skew, cluster.Action{ID: "f1", Clock: &cluster.Clock{By: time.Hour}})
	pid := n.s.Server()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || !strings.Contains(string(stat), ") T ") {
		t.Errorf("%s, %v: want it stopped", stat, err)
	}
	n.do(n.s.Resume, cluster.Action{})
	n.wrong(time.Hour)
}

// all calls the three functions from four threads, checks what they say, and exits with an
// error if that is neither the true time nor a day later.
const all = `
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static time_t begin;
static int bad(time_t t) { long d = t - begin; return !(d >= -2 && d < 600) && !(d >= 86400 - 2 && d < 86400 + 600); }
static void *run(void *x) {
	for (;;) {
		struct timespec ts = {0}, m = {0}; struct timeval tv = {0}; time_t t = 0;
		if (clock_gettime(CLOCK_REALTIME, &ts) || bad(ts.tv_sec) || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000) { printf("clock_gettime %ld.%ld\n", (long)ts.tv_sec, ts.tv_nsec); exit(3); }
		if (gettimeofday(&tv, NULL) || bad(tv.tv_sec) || tv.tv_usec < 0 || tv.tv_usec >= 1000000) { printf("gettimeofday %ld.%ld\n", (long)tv.tv_sec, (long)tv.tv_usec); exit(3); }
		if (time(&t) != t && 0) exit(3);
		if (bad(t)) { printf("time %ld\n", (long)t); exit(3); }
		if (clock_gettime(CLOCK_MONOTONIC, &m) || m.tv_sec > 100000000) { printf("monotonic %ld\n", (long)m.tv_sec); exit(3); }
	}
	return x;
}
int main(void) {
	pthread_t p; begin = time(NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 100; i++) { puts("9000000000000000000 0 0 0"); usleep(10000); } // it has begun
	for (int i = 0; i < 4; i++) pthread_create(&p, NULL, run, NULL);
	pthread_join(p, NULL); return 0;
}`

func TestCycles(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/all.c", []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), compiler, "-O2", "-pthread", "-o", dir+"/all", dir+"/all.c").CombinedOutput(); err != nil {
		t.Skipf("the C compiler cannot make a program: %v\n%s", err, out)
	}
	n := launch(t, cluster.ServerSpec{Command: []string{dir + "/all"}})
	n.next()
	var longest, total time.Duration
	const cycles = 50
	for i := range cycles {
		a := cluster.Action{ID: fmt.Sprint(i), Clock: &cluster.Clock{By: 24 * time.Hour}}
		begin := time.Now()
		n.do(n.clocks.Skew, a)
		took := time.Since(begin)
		longest, total = max(longest, took), total+took
		runtime.Gosched()
		n.do(n.clocks.Unskew, a)
	}
	t.Logf("hooked in %s on average, %s at most", total/cycles, longest)
	if pid := n.s.Server(); pid == 0 {
		e, _, _ := n.s.NextExit(t.Context(), 0)
		t.Errorf("it ended: %+v", e)
	}
	n.untouched()
}
