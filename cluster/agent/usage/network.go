package usage

import (
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// What the network adds to what a connection carries: headers of a segment
// (Ethernet, IP and TCP with time stamps), how much the smallest usual segment
// carries, and what opening and closing takes.
const (
	headers = 66
	segment = 1200
	opening = 600
)

// Meter counts what goes over the connections of a listener.
type Meter struct {
	in, out     atomic.Int64 // bytes
	calls       atomic.Int64 // that carried something
	connections atomic.Int64
}

// Listener has every connection of a listener counted.
func (m *Meter) Listener(l net.Listener) net.Listener { return metered{l, m} }

type metered struct {
	net.Listener
	m *Meter
}

func (l metered) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.m.connections.Add(1)
	return &conn{c, l.m}, nil
}

type conn struct {
	net.Conn
	m *Meter
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.m.in.Add(int64(n))
		c.m.calls.Add(1)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.m.out.Add(int64(n))
		c.m.calls.Add(1)
	}
	return n, err
}

// CloseWrite lets those who use the connection end one half of it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// network tells what went over the node's interfaces, without what the control
// channel carried. How many headers that had is known by a bound only.
func (r *Reader) network(s *usage.Set) {
	var in, out, calls, connections int64
	if r.control != nil { // first: what comes meanwhile counts for the node at most
		in, out, calls, connections = r.control.in.Load(), r.control.out.Load(), r.control.calls.Load(), r.control.connections.Load()
	}
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return
	}
	received, sent := parseDevices(string(text))
	s[usage.NetIn], s[usage.NetOut] = max(received-in, 0), max(sent-out, 0)
	segments := calls + (in+out)/segment
	s[usage.NetDoubt] = 2*headers*segments + opening*connections // each segment is acknowledged, at most on its own
}

// parseDevices adds up the bytes of all interfaces but loopback, see
// proc_pid_net(5).
func parseDevices(text string) (received, sent int64) {
	for line := range strings.Lines(text) {
		name, counts, found := strings.Cut(line, ":")
		fields := strings.Fields(counts)
		if !found || strings.TrimSpace(name) == "lo" || len(fields) < 9 {
			continue
		}
		in, _ := strconv.ParseInt(fields[0], 10, 64)
		out, _ := strconv.ParseInt(fields[8], 10, 64)
		received, sent = received+in, sent+out
	}
	return received, sent
}
