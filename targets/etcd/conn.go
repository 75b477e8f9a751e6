package etcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// clientPort and peerPort are etcd's own.
const (
	clientPort = 2379
	peerPort   = 2380
)

// errGone: the only connection is lost, and no other is made.
var errGone = errors.New("the connection is lost")

// conn is one TCP connection to one member and etcd's client over it, without
// what the client adds by itself: no balancer, no retries, no reconnecting. A
// call on a lost connection fails at once.
type conn struct {
	tcp         net.Conn
	grpc        *grpc.ClientConn
	kv          clientv3.KV
	maintenance clientv3.Maintenance
	members     pb.ClusterClient
	leases      pb.LeaseClient
}

// open speaks to the member at the other end of tcp. It returns when the
// member has answered, so that one that is paused fails here, within ctx. On
// error tcp is closed.
func open(ctx context.Context, tcp net.Conn) (*conn, error) {
	only := make(chan net.Conn, 1)
	only <- tcp
	dial := func(context.Context, string) (net.Conn, error) {
		select {
		case c := <-only:
			return c, nil
		default:
			return nil, errGone
		}
	}
	client, err := grpc.NewClient("passthrough:///etcd",
		grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0), // a quiet connection stays
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	)
	if err != nil {
		_ = tcp.Close() // the error that counts is the first
		return nil, err
	}
	// The client's own constructor would wrap these in its retries.
	c := &conn{tcp: tcp, grpc: client,
		kv:          clientv3.NewKVFromKVClient(pb.NewKVClient(client), nil),
		maintenance: clientv3.NewMaintenanceFromMaintenanceClient(pb.NewMaintenanceClient(client), nil),
		members:     pb.NewClusterClient(client),
		leases:      pb.NewLeaseClient(client)}
	if err := c.ready(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// ready waits for the member's greeting.
func (c *conn) ready(ctx context.Context) error {
	c.grpc.Connect()
	for {
		switch state := c.grpc.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			return errGone
		default:
			if !c.grpc.WaitForStateChange(ctx, state) {
				return fmt.Errorf("wait for etcd's greeting: %w", ctx.Err())
			}
		}
	}
}

// alive reports whether a call would be sent.
func (c *conn) alive() bool { return c.grpc.GetState() == connectivity.Ready }

// Close closes the connection.
func (c *conn) Close() error {
	err := c.grpc.Close()
	_ = c.tcp.Close() // closed already, but for a connection that was never taken up
	return err
}

// dialClients connects over the clients' network.
func dialClients(ctx context.Context, n *cluster.Node) (*conn, error) {
	tcp, err := new(net.Dialer).DialContext(ctx, "tcp", kit.Address(n, clientPort))
	if err != nil {
		return nil, err
	}
	return open(ctx, tcp)
}

// dialOperators connects by the operator's way.
func dialOperators(ctx context.Context, n *cluster.Node) (*conn, error) {
	tcp, err := n.DialServer(ctx, clientPort)
	if err != nil {
		return nil, err
	}
	return open(ctx, tcp)
}
