package memcached

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// link is one TCP connection to one node and memcached's driver over it,
// without what the driver does by itself: it makes no second connection, so
// that a call is sent once or not at all.
type link struct {
	*memcache.Client
	tcp net.Conn
}

var errLost = errors.New("the connection is lost")

// newLink puts the driver upon a connection; the error is the dialler's.
func newLink(tcp net.Conn, err error) (*link, error) {
	if err != nil {
		return nil, err
	}
	l := &link{Client: memcache.New(tcp.RemoteAddr().String()), tcp: tcp}
	taken := false
	l.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if taken {
			return nil, errLost
		}
		taken = true
		return fixed{tcp}, nil
	}
	return l, nil
}

// fixed is a connection whose deadline the driver cannot move.
type fixed struct{ net.Conn }

func (fixed) SetDeadline(time.Time) error { return nil }

// until bounds the next call by ctx's deadline.
func (l *link) until(ctx context.Context) {
	deadline, _ := ctx.Deadline()
	_ = l.tcp.SetDeadline(deadline) // it fails on a closed connection, and so does the call
}

// Close closes the connection, whether or not the driver has taken it.
func (l *link) Close() error { return l.tcp.Close() }
