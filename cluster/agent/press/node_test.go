package press_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
	"github.com/aftershock-chaos/aftershock/cluster/agent/press"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

func TestMemory(t *testing.T) {
	if !local.InSandbox() {
		t.Skip("needs Linux namespaces")
	}
	spec := cluster.Spec{Run: t.Name(), Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), Nodes: []cluster.NodeSpec{{Name: "n1"}}, Limits: cluster.Limits{Memory: 96 << 20}}
	c, err := local.New().Launch(t.Context(), spec)
	if errors.Is(err, cluster.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	n := c.Nodes()[0]
	oom := cluster.Action{Kind: cluster.Press, ID: "f1", Squeeze: &cluster.Squeeze{Memory: true}}
	if e := nodetest.Do(t, n, oom); e.Changed {
		t.Error("it killed a server that does not run")
	}
	nodetest.Serve(t, n)
	for range 2 { // a second time: the first gave everything back
		begin := time.Now()
		e := nodetest.Do(t, n, oom)
		t.Logf("killed after %s: %+v", time.Since(begin), e.Counts)
		if !e.Changed || e.Counts[press.Killed] == 0 {
			t.Errorf("%+v: no process was killed", e)
		}
		if exit := nodetest.NextExit(t, n); exit.Signal != "killed" || !exit.Planned || exit.By != "f1" {
			t.Errorf("%+v: want it killed, as planned by f1", exit)
		}
		nodetest.Do(t, n, cluster.Action{Kind: cluster.Restart})
		nodetest.WaitAnswers(t, n)
	}
}

// Another user's server runs out of descriptors, and has them again.
func TestFilesOfNode(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	server := nodetest.ServerSpec
	if nodetest.CanSwitchUsers() {
		server.User = "65534:65534"
	}
	if err := n.Start(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	nodetest.WaitAnswers(t, n)
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Press, ID: "f1", Squeeze: &cluster.Squeeze{Files: 3}})
	if answer, err := nodetest.Ask(t, n, "ping"); err == nil {
		t.Errorf("a server without descriptors answers %q", answer)
	}
	e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Unpress, ID: "f1"})
	if e.Counts[press.Limited] == 0 {
		t.Errorf("%+v", e)
	}
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill}) // it ended for it, perhaps
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Restart})
	nodetest.WaitAnswers(t, n)
}

func TestTimeOfNode(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, n)
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Press, ID: "f1", Squeeze: &cluster.Squeeze{CPU: 0.1}})
	nodetest.WaitAnswers(t, n)
	e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Unpress, ID: "f1"})
	if e.Counts[press.Stops] == 0 {
		t.Errorf("%+v", e)
	}
	if text := nodetest.Shell(t, n, "cat /proc/[0-9]*/stat"); strings.Contains(text, ") T ") {
		t.Error(fmt.Sprint("a process is left stopped:\n", text), os.Getpid())
	}
}
