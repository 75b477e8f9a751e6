package drivers

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// errBeyond is why a driver cannot do what only the harness can.
var errBeyond = errors.New("a driver has no control of the nodes, only the harness has")

// beyond is the Control of nodes that are not a driver's to control.
type beyond struct{}

func (beyond) Start(context.Context, cluster.ServerSpec) error { return errBeyond }
func (beyond) Do(context.Context, cluster.Action) (cluster.Effect, error) {
	return cluster.Effect{}, errBeyond
}
func (beyond) Probe(context.Context, netip.AddrPort, time.Duration) error { return errBeyond }
func (beyond) DialServer(context.Context, int) (net.Conn, error)          { return nil, errBeyond }
func (beyond) Exits() <-chan cluster.Exit                                 { return nil }
func (beyond) CopyOutput(context.Context, io.Writer) error                { return errBeyond }
func (beyond) Run(context.Context, cluster.ServerSpec) ([]byte, error)    { return nil, errBeyond }
func (beyond) Close() error                                               { return nil }
