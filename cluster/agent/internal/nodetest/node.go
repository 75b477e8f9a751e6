package nodetest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// Launch makes a cluster of n nodes that the test closes.
func Launch(tb testing.TB, n int) cluster.Cluster { return LaunchWith(tb, n, cluster.Needs{}) }

// LaunchWith is Launch for nodes that need something besides.
func LaunchWith(tb testing.TB, n int, needs cluster.Needs) cluster.Cluster {
	tb.Helper()
	if !local.InSandbox() {
		tb.Skipf("needs Linux namespaces: %v", local.Available(tb.Context()))
	}
	spec := cluster.Spec{Run: tb.Name(), Needs: needs, Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))}
	for i := range n {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: fmt.Sprintf("n%d", i+1)})
	}
	c, err := local.New().Launch(tb.Context(), spec)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Serve starts the test server in every node and waits for it.
func Serve(tb testing.TB, nodes ...*cluster.Node) {
	tb.Helper()
	for _, n := range nodes {
		if err := n.Start(tb.Context(), ServerSpec); err != nil {
			tb.Fatal(err)
		}
	}
	for _, n := range nodes {
		WaitAnswers(tb, n)
	}
}

// WaitAnswers waits until the node's server answers through the tunnel.
func WaitAnswers(tb testing.TB, n *cluster.Node) {
	tb.Helper()
	var err error
	for range 500 {
		var answer string
		if answer, err = Ask(tb, n, "ping"); err == nil && answer == "pong" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	tb.Fatalf("server of %s does not answer: %v", n.Name, err)
}

// Ask puts one line to the node's server through the tunnel.
func Ask(tb testing.TB, n *cluster.Node, line string) (string, error) {
	conn, err := n.DialServer(tb.Context(), ServerPort)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

// Do puts an action into effect and fails the test if it cannot.
func Do(tb testing.TB, n *cluster.Node, a cluster.Action) cluster.Effect {
	tb.Helper()
	effect, err := n.Do(tb.Context(), a)
	if err != nil {
		tb.Fatalf("%s on %s: %v", a.Kind, n.Name, err)
	}
	return effect
}

// Shell runs a script in the node and returns its output.
func Shell(tb testing.TB, n *cluster.Node, script string) string {
	tb.Helper()
	output, err := n.Run(tb.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", script}})
	if err != nil {
		tb.Fatalf("%s: %v\n%s", script, err, output)
	}
	return string(output)
}

// NextExit waits for the node's next exit.
func NextExit(t *testing.T, n *cluster.Node) cluster.Exit {
	t.Helper()
	select {
	case e, ok := <-n.Exits():
		if !ok {
			t.Fatal("the exits ended")
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no exit was told")
	}
	return cluster.Exit{}
}

// CanSwitchUsers tells whether more than one user is mapped into this process's
// user namespace.
func CanSwitchUsers() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && os.Geteuid() == 0 && len(fields) >= 3 && fields[2] != "1"
}
