package rabbitmq

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// TestConnectIsBounded connects to a server that accepts and says nothing, as a
// paused one does. Package goleak sees to what is left behind.
func TestConnectIsBounded(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() { // takes the greeting, never answers
		_, _ = theirs.Read(make([]byte, 8))
	}()
	dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
	start := time.Now()
	_, err := (&System{queue: quorum, nodes: 1}).Connect(t.Context(), &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("10.0.0.1")},
		targets.ClientOptions{ConnectTimeout: 50 * time.Millisecond, OpTimeout: time.Second, Dialer: dial})
	if err == nil || time.Since(start) > time.Second {
		t.Errorf("connected to nobody, or waited for %v: %v", time.Since(start), err)
	}
}
