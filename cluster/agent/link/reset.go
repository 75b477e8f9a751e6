package link

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Of linux/sock_diag.h and linux/inet_diag.h.
const (
	sockDiagByFamily = 20
	sockDestroy      = 21
	diagRequestSize  = 56
	diagSocketSize   = 48 // struct inet_diag_sockid
	diagSocketAt     = 4  // where it stands in an answer
	established      = 1
)

// connection is one end of a TCP connection in the node.
type connection struct {
	family byte
	local  uint16 // port
	peer   netip.Addr
	socket [diagSocketSize]byte
}

// ResetExcept returns the action that ends the node's established TCP connections
// with the peers of a.Rules, in whichever direction they were made, with a RST to the
// peer and ECONNABORTED for whoever holds the node's end; but for those of one port of the node. The effect counts
// "connections reset".
//
// The kernel is asked to end each (SOCK_DESTROY). A RST that we forge has to know the sequence
// numbers, for which a packet of the connection has to pass first: idle
// connections, as those of a pool, would live on.
func ResetExcept(port uint16) func(a cluster.Action) (cluster.Effect, error) {
	return func(a cluster.Action) (cluster.Effect, error) { return reset(a, port) }
}

func reset(a cluster.Action, except uint16) (cluster.Effect, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("connect to sock_diag: %w", err)
	}
	defer conn.Close()
	all, err := connections(conn)
	if err != nil {
		return cluster.Effect{}, err
	}
	var done uint64
	for _, c := range all {
		hit := func(r cluster.Rule) bool { return r.Peer.Unmap().WithZone("") == c.peer }
		if c.local == except || !slices.ContainsFunc(a.Rules, hit) {
			continue
		}
		_, err := conn.Execute(request(sockDestroy, netlink.Request|netlink.Acknowledge, c.family, c.socket))
		switch {
		case err == nil:
			done++
		case errors.Is(err, unix.ENOENT): // it has ended by itself
		default:
			return cluster.Effect{}, explainReset(err)
		}
	}
	return cluster.Effect{At: time.Now(), Changed: done > 0, Counts: map[string]uint64{"connections reset": done}}, nil
}

// CanReset tries whether the kernel ends connections, by asking it for one that there
// is not. The error names the remedy.
func CanReset() error {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("connect to sock_diag: %w: load the kernel modules inet_diag and tcp_diag on the machine", err)
	}
	defer conn.Close()
	var none [diagSocketSize]byte
	big.PutUint64(none[diagSocketSize-8:], ^uint64(0)) // of any cookie
	_, err = conn.Execute(request(sockDestroy, netlink.Request|netlink.Acknowledge, unix.AF_INET, none))
	if err == nil || errors.Is(err, unix.ENOENT) && kernelHasDiag(conn) {
		return nil
	}
	return explainReset(err)
}

// kernelHasDiag tells whether the kernel lists TCP connections: without that it
// answers ENOENT to everything.
func kernelHasDiag(conn *netlink.Conn) bool {
	_, err := connections(conn)
	return err == nil
}

func explainReset(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("end a connection: %w: give the node CAP_NET_ADMIN", err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("end a connection: %w: it takes a kernel with CONFIG_INET_DIAG_DESTROY", err)
	}
	return fmt.Errorf("end a connection: %w: load the kernel modules inet_diag and tcp_diag on the machine", err)
}

// connections lists the established TCP connections.
func connections(conn *netlink.Conn) ([]connection, error) {
	var all []connection
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		answers, err := conn.Execute(request(sockDiagByFamily, netlink.Request|netlink.Dump, family, [diagSocketSize]byte{}))
		if err != nil {
			return nil, fmt.Errorf("list the connections: %w: load the kernel modules inet_diag and tcp_diag on the machine", err)
		}
		for _, answer := range answers {
			if c, ok := parseConnection(answer.Data); ok {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// parseConnection reads a struct inet_diag_msg.
func parseConnection(b []byte) (c connection, ok bool) {
	if len(b) < diagSocketAt+diagSocketSize {
		return c, false
	}
	c.family = b[0]
	c.socket = [diagSocketSize]byte(b[diagSocketAt:])
	c.local = big.Uint16(c.socket[0:])
	peer := c.socket[20:]
	if c.family == unix.AF_INET {
		c.peer = netip.AddrFrom4([4]byte(peer))
	} else {
		c.peer = netip.AddrFrom16([16]byte(peer)).Unmap()
	}
	return c, true
}

// request makes a struct inet_diag_req_v2.
func request(kind uint16, flags netlink.HeaderFlags, family byte, socket [diagSocketSize]byte) netlink.Message {
	b := make([]byte, 0, diagRequestSize)
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = host.AppendUint32(b, 1<<established)
	b = append(b, socket[:]...)
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: flags}, Data: b}
}
