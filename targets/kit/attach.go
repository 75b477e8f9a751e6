package kit

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// What targets share where somebody else runs the servers.

// Port is that of a node's server: an attached node's own, else the target's.
func Port(n *cluster.Node, own int) int {
	if n.Port != 0 {
		return n.Port
	}
	return own
}

// ServerAddress is where clients reach a node's server; own is the target's port.
func ServerAddress(n *cluster.Node, own int) string {
	return net.JoinHostPort(n.At().String(), strconv.Itoa(Port(n, own)))
}

// AttachOptions are NewOptions where only the options that are the clients' own
// mean something: the servers have been configured by somebody else.
func AttachOptions(info targets.Info, c targets.Config, clients ...string) (Options, error) {
	o, err := NewOptions(info, c)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options)) {
		if !slices.Contains(clients, name) {
			return nil, fmt.Errorf("target.options.%s: servers that run already have been configured by whoever runs them: set it there and take it out of the plan (an attached %s has %s)",
				name, info.Name, strings.Join(clients, ", "))
		}
	}
	return o, nil
}

// NamedTLS is a configuration for connections to a host, which the server's
// certificate has to name if nothing else is asked for; nil stays nil.
func NamedTLS(config *tls.Config, host string) *tls.Config {
	if config == nil || config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = host
	return config
}

// Secure begins TLS on a connection to a host, if there is a configuration. After
// an error the connection is closed.
func Secure(ctx context.Context, conn net.Conn, config *tls.Config, host string) (net.Conn, error) {
	if config == nil {
		return conn, nil
	}
	secured := tls.Client(conn, NamedTLS(config, host))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the error that counts is the first
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return Brief(secured), nil
}

// goodbye is how long the end of a TLS connection may take to be said.
const goodbye = 100 * time.Millisecond

// Brief is a TLS connection whose Close does not wait for a peer that takes no
// more bytes; other connections it leaves as they are.
func Brief(conn net.Conn) net.Conn {
	if secured, ok := conn.(*tls.Conn); ok {
		return brief{secured}
	}
	return conn
}

type brief struct{ *tls.Conn }

func (b brief) Close() error {
	late := time.AfterFunc(goodbye, func() { _ = b.NetConn().Close() })
	defer late.Stop()
	err := b.Conn.Close()
	if errors.Is(err, net.ErrClosed) { // by ourselves, or before
		return nil
	}
	return err
}

// ByEither opens a connection to a node by the operator's way, where it has one,
// else straight, as clients do. The error is that of the second.
func ByEither[C any](ctx context.Context, n *cluster.Node, own int, open func(ctx context.Context, dial DialFunc) (C, error)) (C, error) {
	if n.Control != nil {
		first, cancel := half(ctx)
		defer cancel()
		c, err := open(first, func(ctx context.Context, _, _ string) (net.Conn, error) { return n.DialServer(ctx, Port(n, own)) })
		if err == nil {
			return c, nil
		}
	}
	return open(ctx, new(net.Dialer).DialContext)
}

// half is a context that leaves half of the time for something else.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	left := DefaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return context.WithTimeout(ctx, left/2)
}

// ForGood marks an error that no waiting mends, for Insist.
func ForGood(err error) error { return forGood{err} }

type forGood struct{ error }

func (f forGood) Unwrap() error { return f.error }

// IsForGood tells whether an error has been marked.
func IsForGood(err error) bool { return errors.As(err, new(forGood)) }

// Insist calls f again and again, with a pause of every between, until it
// succeeds, fails for good, or so much time has gone by. The error is f's last.
func Insist(ctx context.Context, every, patience time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error
	for {
		err := f(ctx)
		if err == nil || IsForGood(err) {
			return err
		}
		if timeout := (net.Error)(nil); last == nil || !errors.As(err, &timeout) || !timeout.Timeout() { // that time is over is not the reason
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-tick.C:
		}
	}
}

// Also joins errors of several attempts in one line; either may be nil.
func Also(first, second error) error {
	if first == nil || second == nil {
		return cmp.Or(first, second)
	}
	return fmt.Errorf("%w; %w", first, second)
}
