package usage_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
	reading "github.com/aftershock-chaos/aftershock/cluster/agent/usage"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

func TestMain(m *testing.M) { nodetest.Main(m) }

// TestCountsThroughKills: what a node's processes took stays counted when they
// have ended, and what the agent takes is not among it.
func TestCountsThroughKills(t *testing.T) {
	c := nodetest.Launch(t, 2)
	n, idle := c.Nodes()[0], c.Nodes()[1]
	nodetest.Serve(t, n, idle)
	before, still := read(t, n), read(t, idle)
	// Computing, by a child of a child, whose own account of its time is the shell's.
	said := nodetest.Shell(t, n, `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; times'`)
	var minutes, sysMinutes int
	var seconds, sysSeconds float64
	if _, err := fmt.Sscanf(said, "%dm%fs %dm%fs", &minutes, &seconds, &sysMinutes, &sysSeconds); err != nil {
		t.Fatalf("times said %q: %v", said, err)
	}
	computed := time.Duration((seconds + sysSeconds) * float64(time.Second))
	nodetest.Shell(t, n, `for i in 1 2 3; do dd if=/dev/zero of=f$i bs=1000000 count=1; done; rm f1 f2 f3`)
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill})
	after, stood := read(t, n), read(t, idle)
	if took := time.Duration(after[usage.CPU] - before[usage.CPU]); took < computed-20*time.Millisecond || took > computed+400*time.Millisecond {
		t.Errorf("%s of computing are told as %s", computed, took)
	}
	if took := time.Duration(stood[usage.CPU] - still[usage.CPU]); took > 100*time.Millisecond {
		t.Errorf("an idle node is told to have computed %s", took)
	}
	if calls := after[usage.WriteCalls] - before[usage.WriteCalls]; calls < 3 {
		t.Errorf("dd's writes are told as %d calls", calls)
	}
	if after[usage.Threads] != 0 || after[usage.Memory] != 0 {
		t.Errorf("after a kill there are %d threads, %d bytes", after[usage.Threads], after[usage.Memory])
	}
	for f := range usage.Figures {
		if f != usage.Syncs && f != usage.Steal && f != usage.Charged && after[f] == usage.Unknown {
			t.Errorf("%s is not told", f)
		}
	}
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Restart})
	nodetest.WaitAnswers(t, n)
	if again := read(t, n); again[usage.CPU] < after[usage.CPU] || again[usage.Memory] == 0 {
		t.Errorf("after the restart: %v", again)
	}
}

// TestLargePages: small writes into a file that lies in large pages of the cache are not told
// as these pages.
func TestLargePages(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, n)
	nodetest.Shell(t, n, `dd if=/dev/zero of=f bs=4194304 count=1 conv=fsync`)
	before := read(t, n)
	nodetest.Shell(t, n, `dd if=/dev/zero of=f bs=8192 count=200 conv=notrunc oflag=dsync`)
	after := read(t, n)
	if wrote := after[usage.DiskWritten] - before[usage.DiskWritten]; wrote > 400*8192+1<<20 {
		t.Errorf("200 writes of 8 kB are told as %d bytes", wrote)
	}
}

// TestControlIsNotTheNodes: what goes over the control channel is not counted as
// the node's network, within the bound that is told.
func TestControlIsNotTheNodes(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, n)
	before := read(t, n)
	for range 200 {
		if _, err := nodetest.Ask(t, n, "ping"); err != nil {
			t.Fatal(err)
		}
	}
	after := read(t, n)
	grew := after[usage.NetIn] + after[usage.NetOut] - before[usage.NetIn] - before[usage.NetOut]
	if bound := after[usage.NetDoubt] - before[usage.NetDoubt]; grew > bound || bound == 0 {
		t.Errorf("200 tunnels are told as %d bytes of the node, with a doubt of %d", grew, bound)
	}
}

func read(t *testing.T, n *cluster.Node) usage.Set {
	t.Helper()
	u, err := n.Control.(cluster.Metered).Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if u.At.After(time.Now()) || time.Since(u.At) > 5*time.Second {
		t.Errorf("read at %s", u.At)
	}
	return u.Set
}

func BenchmarkRead(b *testing.B) {
	r := reading.NewReader(nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Read()
	}
	entries, _ := os.ReadDir("/proc")
	b.Log(fmt.Sprint(len(entries), " entries in /proc"))
}
