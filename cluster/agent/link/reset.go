package link

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

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
	d, err := openDiag()
	if err != nil {
		return cluster.Effect{}, err
	}
	defer d.close()
	all, err := d.connections()
	if err != nil {
		return cluster.Effect{}, err
	}
	var done uint64
	for _, c := range all {
		hit := func(r cluster.Rule) bool { return r.Peer.Unmap().WithZone("") == c.peer }
		if c.local == except || !slices.ContainsFunc(a.Rules, hit) {
			continue
		}
		switch err := d.destroy(c.family, c.socket); {
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
	d, err := openDiag()
	if err != nil {
		return err
	}
	defer d.close()
	if _, err := d.connections(); err != nil {
		return err
	}
	var none [diagSocketSize]byte
	big.PutUint64(none[diagSocketSize-8:], ^uint64(0)) // of any cookie
	if err := d.destroy(unix.AF_INET, none); err != nil && !errors.Is(err, unix.ENOENT) {
		return explainReset(err)
	}
	return nil
}

func explainReset(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("end a connection: %w: give the node CAP_NET_ADMIN", err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("end a connection: %w: it takes a kernel with CONFIG_INET_DIAG_DESTROY", err)
	}
	return fmt.Errorf("end a connection: %w", err)
}

// diag is a netlink socket that is waited on in the calling thread: that is an urgent
// one, and no other goroutine has to wake up for the answer.
type diag struct{ fd int }

// diagTimeout bounds the wait for one answer of the kernel's.
var diagTimeout = unix.Timeval{Sec: 5}

func openDiag() (diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return diag{}, fmt.Errorf("connect to sock_diag: %w: load the kernel modules inet_diag and tcp_diag on the machine", err)
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &diagTimeout)
	return diag{fd}, nil
}

func (d diag) close() { _ = unix.Close(d.fd) }

// connections lists the established TCP connections.
func (d diag) connections() ([]connection, error) {
	var all []connection
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		err := d.ask(request(sockDiagByFamily, unix.NLM_F_DUMP, family, [diagSocketSize]byte{}), func(b []byte) {
			if c, ok := parseConnection(b); ok {
				all = append(all, c)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list the connections: %w: load the kernel modules inet_diag and tcp_diag on the machine", err)
		}
	}
	return all, nil
}

// destroy ends one connection.
func (d diag) destroy(family byte, socket [diagSocketSize]byte) error {
	return d.ask(request(sockDestroy, unix.NLM_F_ACK, family, socket), nil)
}

// ask sends a request and hands on what is answered, until the kernel says that it is
// done.
func (d diag) ask(request []byte, each func([]byte)) error {
	if err := unix.Sendto(d.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(d.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			length := int(host.Uint32(b))
			if length < unix.NLMSG_HDRLEN || length > len(b) {
				break
			}
			body := b[unix.NLMSG_HDRLEN:length]
			switch kind := host.Uint16(b[4:]); {
			case kind == unix.NLMSG_ERROR && len(body) >= 4:
				if code := int32(host.Uint32(body)); code != 0 {
					return unix.Errno(-code)
				}
				return nil
			case kind == unix.NLMSG_DONE:
				return nil
			case each != nil:
				each(body)
			}
			b = b[min(len(b), align(length)):]
		}
	}
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

// request makes a struct inet_diag_req_v2 with its header.
func request(kind, flags uint16, family byte, socket [diagSocketSize]byte) []byte {
	b := host.AppendUint32(nil, unix.NLMSG_HDRLEN+diagRequestSize)
	b = host.AppendUint16(b, kind)
	b = host.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...)
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = host.AppendUint32(b, 1<<established)
	return append(b, socket[:]...)
}
