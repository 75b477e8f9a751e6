package watchdog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOwnFaults(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, "descriptors"},
		{errors.New("dial tcp 10.0.0.1:6379: socket: too many open files"), "descriptors"},
		{fmt.Errorf("connect: %w", syscall.ENOMEM), "memory"},
		{fmt.Errorf("connect: %w", syscall.EADDRNOTAVAIL), "ports"},
		{fmt.Errorf("connect: %w", syscall.ECONNREFUSED), ""},
		{context.DeadlineExceeded, ""},
		{nil, ""},
	} {
		got := ""
		if own := ownFault(tc.err); own != nil {
			got = own.key
		}
		if got != tc.want {
			t.Errorf("%v is the harness's %q, want %q", tc.err, got, tc.want)
		}
	}
}

// TestReportsAreTold: what clients notice becomes a stretch, and what is the
// system's does not.
func TestReportsAreTold(t *testing.T) {
	var mu sync.Mutex
	var told []string
	w := New(history.NewClock(), nil, time.Second, func(e history.Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e.Name)
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	w.Failed(0, 1, syscall.ECONNREFUSED)
	w.Late(0, lateLeast-1)
	w.Failed(0, 1, syscall.ENOMEM)
	time.Sleep(30 * time.Millisecond)
	stop()
	<-done
	if got := strings.Join(told, " "); !strings.Contains(got, "memory") || strings.Contains(got, "descriptors") {
		t.Errorf("told of %q, want of memory", got)
	}
	for range 2 * reportsKept {
		w.Failed(0, 1, syscall.ENOMEM) // nobody listens any more, and nobody waits
	}
}

func TestStalledSince(t *testing.T) {
	clock := history.NewClock()
	w := New(clock, nil, time.Second, func(history.Event) {})
	w.look(reading{at: 0})
	w.look(reading{at: 100 * ms})
	w.ticked.Store(clock.Now() + int64(time.Hour)) // it ticks
	for since, want := range map[int64]bool{0: true, 100 * ms: true, 100*ms + 1: false} {
		if got := w.StalledSince(since); got != want {
			t.Errorf("stalled since %d: %v", since, got)
		}
	}
	w.ticked.Store(clock.Now() - int64(time.Second)) // it does not
	if !w.StalledSince(clock.Now()) {
		t.Error("a watchdog that does not tick is no sign of a stall")
	}
}

func TestKernelIsRead(t *testing.T) {
	group := filepath.Join(t.TempDir(), "cpu.stat")
	k := &kernel{groups: []string{group}}
	for text, want := range map[string]time.Duration{
		"usage_usec 5\nnr_throttled 3\nthrottled_usec 1500\n": 1500 * time.Microsecond,
		"nr_periods 9\nnr_throttled 2\nthrottled_time 700\n":  700,
		"": 0, "throttled_usec x\n": 0,
	} {
		if err := os.WriteFile(group, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := k.throttled(); got != want {
			t.Errorf("%q: throttled for %s, want %s", text, got, want)
		}
	}
	if share := newKernel().stolen(); share < 0 || share > 1 {
		t.Errorf("a share of %v was stolen", share)
	}
	if suspendedFor() < 0 || blocked() {
		t.Error("the machine was suspended for less than nothing, or this test has no descriptor")
	}
}
