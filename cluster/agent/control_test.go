package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

func TestActionCalledOff(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := n.Do(ctx, cluster.Action{Kind: cluster.Kill, At: time.Now().Add(200 * time.Millisecond)})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	time.Sleep(250 * time.Millisecond)
	nodetest.WaitAnswers(t, n)
	if _, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Kill, At: time.Now().Add(2 * time.Hour)}); err == nil {
		t.Error("an action two hours ahead was taken")
	}
	if _, err := n.Do(t.Context(), cluster.Action{Kind: "explode"}); err == nil {
		t.Error("an unknown action was taken")
	}
}

// When the agent dies, all that goes over its channel ends, with the reason.
func TestLostAgent(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	_, ended := nodetest.Follow(t, n)
	addr := netip.AddrPortFrom(n.Addr, cluster.ControlPort)
	other, err := agent.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Dial(t.Context(), addr, n.Name, 0); !errors.Is(err, agent.ErrRefused) {
		t.Errorf("another launch's keys: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-n.Exits(); ok {
		t.Error("an exit after the end")
	}
	if err := <-ended; err != nil && !errors.Is(err, agent.ErrLost) { // lost if it was asked for only then
		t.Errorf("the output's end: %v", err)
	}
	if err := n.Start(t.Context(), nodetest.ServerSpec); !errors.Is(err, agent.ErrLost) {
		t.Errorf("start after the end: %v", err)
	}
	if _, err := n.DialServer(t.Context(), nodetest.ServerPort); !errors.Is(err, agent.ErrLost) {
		t.Errorf("tunnel after the end: %v", err)
	}
}

func TestTunnelHalfClose(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, n)
	conn, err := n.DialServer(t.Context(), nodetest.ServerPort)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "ping")
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := io.ReadAll(conn); string(answer) != "pong\n" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
	if _, err := n.DialServer(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("tunnel to a closed port: %v", err)
	}
}
