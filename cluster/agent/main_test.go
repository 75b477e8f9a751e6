package agent_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// TestMain lets the test binary play the agent and the servers, and runs the
// tests inside a sandbox where the machine can make one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "agent":
			os.Exit(exitCode(agentMain()))
		case "testserver":
			os.Exit(exitCode(testServer()))
		}
	}
	switch {
	case local.InSandbox():
		if err := local.EnterSandbox(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case local.Available(context.Background()) == nil:
		os.Exit(exitCode(again()))
	}
	goleak.VerifyTestMain(m)
}

// again runs this test binary in a sandbox.
func again() error {
	cmd, err := local.Command(context.Background(), "", os.Args[1:])
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // agents under the race detector end at once
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	wait, err := local.Start(cmd)
	if err != nil {
		return err
	}
	return wait()
}

func agentMain() error {
	cmd := agent.NewCommand()
	cmd.SetArgs([]string{})
	return cmd.ExecuteContext(context.Background())
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// serverPort is where testServer listens.
const serverPort = 9000

// testServer answers lines over TCP: "ping"; "send ADDR" sends a datagram to
// port 9000 there; "got ADDR" tells how many datagrams came from there.
func testServer() error {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", serverPort))
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", fmt.Sprintf(":%d", serverPort))
	if err != nil {
		return err
	}
	var got [256]atomic.Int64 // by the last byte of the sender's address
	go func() {
		buf := make([]byte, 100)
		for {
			if _, from, err := packets.ReadFrom(buf); err == nil {
				got[from.(*net.UDPAddr).IP.To4()[3]].Add(1)
			}
		}
	}()
	fmt.Println("serving")
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				word, addr, _ := strings.Cut(lines.Text(), " ")
				answer := "pong"
				switch word {
				case "send":
					_, err := packets.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(addr), Port: serverPort})
					answer = fmt.Sprint(err)
				case "got":
					answer = fmt.Sprint(got[net.ParseIP(addr).To4()[3]].Load())
				}
				fmt.Fprintln(conn, answer)
			}
		}()
	}
}

var serverSpec = cluster.ServerSpec{Command: []string{cluster.Self, "testserver"}}

// launch makes a cluster of n nodes that the test closes.
func launch(tb testing.TB, n int) cluster.Cluster {
	tb.Helper()
	if !local.InSandbox() {
		tb.Skipf("needs Linux namespaces: %v", local.Available(tb.Context()))
	}
	spec := cluster.Spec{Run: tb.Name(), Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))}
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

// serve starts the test server in every node and waits for it.
func serve(tb testing.TB, nodes ...*cluster.Node) {
	tb.Helper()
	for _, n := range nodes {
		if err := n.Start(tb.Context(), serverSpec); err != nil {
			tb.Fatal(err)
		}
	}
	for _, n := range nodes {
		answers(tb, n)
	}
}

// answers waits until the node's server answers through the tunnel.
func answers(tb testing.TB, n *cluster.Node) {
	tb.Helper()
	var err error
	for range 500 {
		var answer string
		if answer, err = ask(tb, n, "ping"); err == nil && answer == "pong" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	tb.Fatalf("server of %s does not answer: %v", n.Name, err)
}

// ask puts one line to the node's server through the tunnel.
func ask(tb testing.TB, n *cluster.Node, line string) (string, error) {
	conn, err := n.DialServer(tb.Context(), serverPort)
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

// do puts an action into effect and fails the test if it cannot.
func do(tb testing.TB, n *cluster.Node, a cluster.Action) cluster.Effect {
	tb.Helper()
	effect, err := n.Do(tb.Context(), a)
	if err != nil {
		tb.Fatalf("%s on %s: %v", a.Kind, n.Name, err)
	}
	return effect
}

// shell runs a script in the node and returns its output.
func shell(tb testing.TB, n *cluster.Node, script string) string {
	tb.Helper()
	output, err := n.Run(tb.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", script}})
	if err != nil {
		tb.Fatalf("%s: %v\n%s", script, err, output)
	}
	return string(output)
}
