package network

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ForgetConnections ends the connections whose processes are gone: the kernel would
// go on sending what it had taken of them. Where it does not let that be done they
// end by themselves.
func ForgetConnections() error {
	list, err := netlink.SocketDiagTCPInfo(unix.AF_INET)
	if unsupported(err) {
		return nil
	}
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("list the node's connections: %w", err)
	}
	for _, one := range list {
		s := one.InetDiagMsg
		if s == nil || s.INode != 0 || s.State == netlink.TCP_LISTEN || s.State == netlink.TCP_TIME_WAIT {
			continue
		}
		err := netlink.SocketDestroy(&net.TCPAddr{IP: s.ID.Source, Port: int(s.ID.SourcePort)}, &net.TCPAddr{IP: s.ID.Destination, Port: int(s.ID.DestinationPort)})
		if unsupported(err) {
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("end a connection of the node: %w", err)
		}
	}
	return nil
}

// unsupported tells whether the kernel does not know what was asked, or nobody may.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPROTONOSUPPORT)
}
