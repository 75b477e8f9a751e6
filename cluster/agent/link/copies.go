package link

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
)

// copies sends packets a second time, by raw sockets. One that came from elsewhere is
// sent to the node's own address, so that it comes in over the loopback device; no
// rule sends it to a queue again.
type copies struct{ v4, v6 int } // 0: not open

// open opens what is needed for copies; the error names the remedy.
func (c *copies) open() (err error) {
	if c.v4 != 0 {
		return nil
	}
	if c.v4, err = rawSocket(unix.AF_INET); err != nil {
		c.v4 = 0
		return fmt.Errorf("open a raw socket for duplicates: %w: give the node CAP_NET_RAW", err)
	}
	if c.v6, err = rawSocket(unix.AF_INET6); err != nil {
		c.v6 = 0 // a machine without IPv6
	}
	return nil
}

func rawSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, network.Unqueued); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// send sends a whole packet, with its headers, to where it was going.
func (c *copies) send(b []byte) {
	h, ok := parseHeader(b)
	switch {
	case !ok:
	case h.destination.Is4() && c.v4 != 0:
		_ = unix.Sendto(c.v4, b, 0, &unix.SockaddrInet4{Addr: h.destination.As4()})
	case h.destination.Is6() && c.v6 != 0:
		_ = unix.Sendto(c.v6, b, 0, &unix.SockaddrInet6{Addr: h.destination.As16()})
	}
}

func (c *copies) close() {
	for _, fd := range []int{c.v4, c.v6} {
		if fd != 0 {
			_ = unix.Close(fd)
		}
	}
	c.v4, c.v6 = 0, 0
}
