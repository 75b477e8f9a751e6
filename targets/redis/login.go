package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// login is how connections begin with servers that somebody else runs.
type login struct {
	targets.Access
	database int
}

// dial opens a connection that has logged in and chosen its database.
func (l *login) dial(ctx context.Context, way kit.DialFunc, addr string, database int) (net.Conn, error) {
	conn, err := l.open(ctx, way, addr)
	if err != nil {
		return nil, err
	}
	if err := l.begin(ctx, conn, database); err != nil {
		_ = conn.Close() // the error that counts is the first
		return nil, l.explain(err)
	}
	return conn, nil
}

// open opens a connection, and TLS on it.
func (l *login) open(ctx context.Context, way kit.DialFunc, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conn, err := way(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if conn, err = kit.Secure(ctx, conn, l.TLS, host); err != nil {
		err = fmt.Errorf("%w: set target.connect.ca and target.connect.server, or take target.connect.tls away if the server speaks none", err)
		if errors.As(err, new(*tls.CertificateVerificationError)) {
			err = kit.ForGood(err)
		}
		return nil, err
	}
	return conn, nil
}

func (l *login) begin(ctx context.Context, conn net.Conn, database int) error {
	k := newLink(conn)
	if l.Password != "" || l.User != "" {
		if err := l.authenticate(ctx, k); err != nil {
			return err
		}
	}
	if database > 0 {
		if _, err := k.ask(ctx, "SELECT", database); err != nil {
			return fmt.Errorf("choose database %d: %w", database, err)
		}
	}
	return nil
}

// authenticate sends the user's name where there is one: requirepass has none.
func (l *login) authenticate(ctx context.Context, k *link) error {
	args := []any{l.User, l.Password}
	if l.User == "" {
		args = args[1:]
	}
	_, err := k.ask(ctx, "AUTH", args...)
	return err
}

// explain adds the remedy to a server's refusal; what no waiting mends is marked so.
func (l *login) explain(err error) error {
	var said redigo.Error
	switch {
	case kit.IsForGood(err), errors.As(err, new(wantsTLS)): // it has been explained
		return err
	case l.TLS == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return wantsTLS{err}
	case !errors.As(err, &said):
		return err
	}
	user := "the default user"
	if l.User != "" {
		user = strconv.Quote(l.User)
	}
	word, _, _ := strings.Cut(string(said), " ")
	switch {
	case word == "WRONGPASS", strings.Contains(string(said), "invalid password"):
		return kit.ForGood(fmt.Errorf("the server refuses %s: %w: correct target.connect.user and target.connect.password", user, err))
	case word == "NOAUTH":
		return kit.ForGood(fmt.Errorf("the server asks for a password: %w: set target.connect.password, and target.connect.user if it is of an ACL", err))
	case strings.Contains(string(said), "without any password configured"):
		return kit.ForGood(fmt.Errorf("the server has no password for %s: %w: take target.connect.password away, or name the user", user, err))
	case word == "NOPERM":
		return kit.ForGood(fmt.Errorf("%s has not the rights that are needed: %w: %s", user, err, l.grant()))
	}
	return err
}

// wantsTLS is how a server ends a connection in the clear that wants TLS.
type wantsTLS struct{ error }

func (w wantsTLS) Error() string {
	return w.error.Error() + " (does the server want TLS? set target.connect.tls)"
}

func (w wantsTLS) Unwrap() error { return w.error }

// grant is what gives a user the rights that a run needs.
func (l *login) grant() string {
	user := l.User
	if user == "" {
		user = "default"
	}
	return "ACL SETUSER " + user + " ~" + runs + "* +@read +@write +@transaction +@connection -@dangerous +eval +role +info +wait +config|get"
}

// byOperator dials by the operator's way, where a node has one.
func (l *login) byOperator(ctx context.Context, n *cluster.Node) (*link, error) {
	return kit.ByEither(ctx, n, serverPort, func(ctx context.Context, way kit.DialFunc) (*link, error) { return l.link(ctx, way, n) })
}

// straight dials over the clients' network.
func (l *login) straight(ctx context.Context, n *cluster.Node) (*link, error) {
	return l.link(ctx, new(net.Dialer).DialContext, n)
}

func (l *login) link(ctx context.Context, way kit.DialFunc, n *cluster.Node) (*link, error) {
	conn, err := l.dial(ctx, way, kit.ServerAddress(n, serverPort), l.database)
	if err != nil {
		return nil, err
	}
	return newLink(conn), nil
}
