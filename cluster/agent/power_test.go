package agent_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

// launchOnVolume makes nodes whose data directories can lose what was not synced.
func launchOnVolume(t *testing.T, n int) []*cluster.Node {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skipf("needs FUSE: %v", err)
	} else {
		_ = f.Close()
	}
	return nodetest.LaunchWith(t, n, cluster.Needs{Volume: &cluster.Volume{Names: cluster.NamesOrdered}}).Nodes()
}

// TestPower: all processes die, what was not synced is gone, and the server starts
// on what is left. Those who are in the middle of a write do not hold it up.
func TestPower(t *testing.T) {
	n := launchOnVolume(t, 1)[0]
	nodetest.Serve(t, n)
	nodetest.Shell(t, n, "echo one > kept; sync kept; echo two > lost; setsid sh -c 'while :; do head -c 100000 /dev/zero > busy; done' >/dev/null 2>&1 &")
	at := time.Now().Add(100 * time.Millisecond)
	effect := nodetest.Do(t, n, cluster.Action{Kind: cluster.Power, ID: "f1", At: at, Loss: &cluster.Loss{}})
	if late := effect.At.Sub(at); late < 0 || late > 2*time.Second || !effect.Changed {
		t.Errorf("late by %s, changed %v", late, effect.Changed)
	}
	t.Logf("late by %s, done after %s, counted %v", effect.At.Sub(at), time.Since(at), effect.Counts)
	if effect.Counts[cluster.PagesLost] == 0 || effect.Counts[cluster.NamesLost] == 0 || effect.Counts[cluster.Writes] == 0 {
		t.Errorf("counted %v", effect.Counts)
	}
	if exit := nodetest.NextExit(t, n); exit.Signal != "killed" || !exit.Planned || exit.By != "f1" {
		t.Errorf("exit %+v", exit)
	}
	if listed := nodetest.Shell(t, n, "cat kept; ls; ls /proc | grep -c '^[0-9]'"); strings.Contains(listed, "lost") || !strings.HasPrefix(listed, "one\n") {
		t.Errorf("left: %q", listed)
	}
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Restart})
	nodetest.WaitAnswers(t, n)
	// A kill and a pause spare the volume's helper.
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Pause})
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Resume})
	nodetest.WaitAnswers(t, n)
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill})
	if text := nodetest.Shell(t, n, "cat kept"); text != "one\n" {
		t.Errorf("after a kill: %q", text)
	}
}

// TestPowerWithNetwork: nobody hears of the node from the instant on until it is
// started again.
func TestPowerWithNetwork(t *testing.T) {
	nodes := launchOnVolume(t, 2)
	nodetest.Serve(t, nodes...)
	reaches := func() error {
		return nodes[1].Probe(t.Context(), netip.AddrPortFrom(nodes[0].Addr, nodetest.ServerPort), 500*time.Millisecond)
	}
	if err := reaches(); err != nil {
		t.Fatal(err)
	}
	nodetest.Do(t, nodes[0], cluster.Action{Kind: cluster.Power, ID: "f1", Loss: &cluster.Loss{Network: true}})
	if err := reaches(); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("a node without power answers: %v", err)
	}
	nodetest.Do(t, nodes[0], cluster.Action{Kind: cluster.Restart})
	nodetest.WaitAnswers(t, nodes[0])
	if err := reaches(); err != nil {
		t.Error(err)
	}
}

// TestNoVolume: a node without a volume says why it cannot lose its power.
func TestNoVolume(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	for _, kind := range []cluster.ActionKind{cluster.Power, cluster.Disk, cluster.Flip} {
		if err := n.Control.(cluster.Able).Can(t.Context(), kind); err == nil || !strings.Contains(err.Error(), "target.disk") {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := n.Do(t.Context(), cluster.Action{Kind: kind, ID: "f1"}); err == nil {
			t.Errorf("%s: done", kind)
		}
	}
}
