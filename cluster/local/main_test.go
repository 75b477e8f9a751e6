package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// TestMain lets the test binary play the program that re-executes itself, and
// runs the tests inside a sandbox where the machine can make one. The tests
// make further sandboxes inside of it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		roles := map[string]func() error{"agent": agentMain, "harness": harnessMain, "outside": outsideMain}
		if role := roles[os.Args[1]]; role != nil {
			os.Exit(exitCode(role()))
		}
	}
	if InSandbox() {
		if err := EnterSandbox(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	} else if Available(context.Background()) == nil {
		os.Exit(exitCode(inSandbox(os.Args[1:])))
	}
	goleak.VerifyTestMain(m)
}

// inSandbox runs this test binary in a sandbox.
func inSandbox(args []string) error {
	cmd, err := Command(context.Background(), "", args)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // agents under the race detector end at once
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	wait, err := Start(cmd)
	if err != nil {
		return err
	}
	return wait()
}

func exitCode(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func agentMain() error {
	return agent.Main(context.Background(), os.Stdin, os.Stderr)
}

// outsideMain is a user's process: it makes a sandbox for harnessMain.
func outsideMain() error {
	if err := Available(context.Background()); err != nil {
		return err
	}
	return inSandbox(append([]string{"harness"}, os.Args[2:]...))
}

// harnessMain launches two nodes, checks that a fault works, says so, and
// tears down; with the argument "stay" it stays instead.
func harnessMain() error {
	if err := EnterSandbox(); err != nil {
		return err
	}
	ctx := context.Background()
	c, err := New().Launch(ctx, twoNodes)
	if err != nil {
		return err
	}
	if err := tryFaults(ctx, c.Nodes()); err != nil {
		return err
	}
	if err := trySeclusion(ctx, c.Nodes()[0], c.(*localCluster).dir.path); err != nil {
		return err
	}
	if m := c.(*localCluster).members[0]; len(m.groups.dirs) == 0 { // its user's processes are bounded, of both nodes together
		got, err := inNode(ctx, c.Nodes()[0], "sed -n 's/^Max processes *\\([0-9a-z]*\\) .*/\\1/p' /proc/self/limits")
		if n, _ := strconv.Atoi(got); err != nil || n < 1 || n > 2*cluster.DefaultProcesses {
			return fmt.Errorf("most processes of a node: %q, %w", got, err)
		}
	}
	fmt.Println("works", os.Getuid(), c.(*localCluster).dir.path)
	if strings.Join(os.Args[2:], " ") == "stay" {
		time.Sleep(time.Hour)
	}
	return c.Close(ctx)
}

var twoNodes = cluster.Spec{Run: "test", Nodes: []cluster.NodeSpec{{Name: "n1"}, {Name: "n2"}}}

// tryFaults cuts the first node off from the second and kills its server.
func tryFaults(ctx context.Context, nodes []*cluster.Node) error {
	sleeper := cluster.ServerSpec{Command: []string{"sh", "-c", "sleep 4242; exit"}}
	for _, n := range nodes {
		if err := n.Start(ctx, sleeper); err != nil {
			return err
		}
	}
	block := cluster.Action{Kind: cluster.Block, ID: "f1", Rules: []cluster.Rule{{Peer: nodes[1].Addr, Out: true}}}
	if e, err := nodes[0].Do(ctx, block); err != nil || !e.Changed {
		return fmt.Errorf("block: %+v, %w", e, err)
	}
	if nodes[0].Probe(ctx, addrPort(nodes[1].Addr, cluster.ControlPort), 50*time.Millisecond) == nil {
		return errors.New("the block does not hold")
	}
	if e, err := nodes[0].Do(ctx, cluster.Action{Kind: cluster.Unblock, ID: "f1"}); err != nil || e.Dropped == 0 {
		return fmt.Errorf("unblock: %+v, %w", e, err)
	}
	if err := nodes[0].Probe(ctx, addrPort(nodes[1].Addr, cluster.ControlPort), 5*time.Second); err != nil {
		return err
	}
	if e, err := nodes[0].Do(ctx, cluster.Action{Kind: cluster.Kill}); err != nil || !e.Changed {
		return fmt.Errorf("kill: %+v, %w", e, err)
	}
	if _, err := nodes[0].Do(ctx, cluster.Action{Kind: cluster.Restart}); err != nil {
		return err
	}
	return tryUser(ctx, nodes[1])
}

// tryUser runs a command as another user, who can write into the data
// directory and has a file written for it.
func tryUser(ctx context.Context, n *cluster.Node) error {
	script := `id -u; id -g; cat "$1"/file; touch "$1"/new && stat -c %u "$1"/new "$1"/file`
	out, err := n.Run(ctx, cluster.ServerSpec{Command: []string{"sh", "-c", script, "sh", cluster.DataDir}, User: "4242:2424",
		Files: map[string]string{"{data}/file": "text\n"}})
	if want := "4242\n2424\ntext\n4242\n4242\n"; err != nil || string(out) != want {
		return fmt.Errorf("as another user: %q, %w, want %q", out, err, want)
	}
	// It must not be out of the reach of faults.
	if _, err := n.Do(ctx, cluster.Action{Kind: cluster.Kill}); err != nil {
		return err
	}
	sleeper := cluster.ServerSpec{Command: []string{"sleep", "4242"}, User: "4242:2424"}
	if err := n.Start(ctx, sleeper); err != nil {
		return err
	}
	for _, kind := range []cluster.ActionKind{cluster.Pause, cluster.Resume, cluster.Kill} {
		if e, err := n.Do(ctx, cluster.Action{Kind: kind}); err != nil || !e.Changed {
			return fmt.Errorf("%s a server of another user: %+v, %w", kind, e, err)
		}
	}
	return nil
}
