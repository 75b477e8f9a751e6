package network

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Probe makes a TCP connection under the node's rules and closes it.
func Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	return conn.Close()
}
