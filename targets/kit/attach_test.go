package kit

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestServerAddress(t *testing.T) {
	n := &cluster.Node{Addr: netip.MustParseAddr("10.0.0.1")}
	if got := ServerAddress(n, 5432); got != "10.0.0.1:5432" {
		t.Error(got)
	}
	n.Port = 15432
	n.Move(netip.MustParseAddr("fd00::2"))
	if got := ServerAddress(n, 5432); got != "[fd00::2]:15432" {
		t.Error(got)
	}
	if got := Address(n, 7399); got != "[fd00::2]:7399" { // another port of the same node
		t.Error(got)
	}
}

func TestAttachOptions(t *testing.T) {
	info := targets.Info{Name: "x", Options: []schema.Field{{Name: "fsync", Default: "on"}, {Name: "wait", Default: "1"}}}
	if o, err := AttachOptions(info, targets.Config{Options: map[string]string{"wait": "2"}}, "wait"); err != nil || o["wait"] != "2" || o["fsync"] != "on" {
		t.Errorf("%v %v", o, err)
	}
	for name, want := range map[string]string{"fsync": "set it there", "wiat": "did you mean"} {
		if _, err := AttachOptions(info, targets.Config{Options: map[string]string{name: "2"}}, "wait"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "target.options."+name) {
			t.Errorf("%v", err)
		}
	}
}

// way is a node's control channel that leads to a server, or nowhere.
type way struct {
	cluster.Control
	err error
}

func (w way) DialServer(context.Context, int) (net.Conn, error) {
	near, far := net.Pipe()
	_ = far.Close()
	return near, w.err
}

// TestByEither: the operator's way is taken where it leads to the server.
func TestByEither(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, c := range []struct {
		control cluster.Control
		refuse  int // how often the login fails
		want    string
	}{{nil, 0, "tcp"}, {way{}, 0, "pipe"}, {way{err: errors.New("no guest")}, 0, "tcp"}, {way{}, 1, "tcp"}, {way{}, 2, ""}} {
		n := &cluster.Node{Control: c.control}
		conn, err := ByEither(t.Context(), n, 1, func(ctx context.Context, dial DialFunc) (net.Conn, error) {
			conn, err := dial(ctx, "tcp", listener.Addr().String())
			if err == nil && c.refuse > 0 {
				c.refuse--
				_ = conn.Close()
				return nil, errors.New("refused")
			}
			return conn, err
		})
		if (err == nil) != (c.want != "") || err == nil && conn.LocalAddr().Network() != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestInsist(t *testing.T) {
	soon := errors.New("not yet")
	calls := 0
	if err := Insist(t.Context(), time.Millisecond, time.Minute, func(context.Context) error {
		if calls++; calls < 3 {
			return soon
		}
		return nil
	}); err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	wrong := errors.New("wrong password")
	if err := Insist(t.Context(), time.Millisecond, time.Minute, func(context.Context) error { return ForGood(wrong) }); !errors.Is(err, wrong) {
		t.Error(err)
	}
	err := Insist(t.Context(), time.Millisecond, 20*time.Millisecond, func(ctx context.Context) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return soon
	})
	if !errors.Is(err, soon) {
		t.Errorf("the reason is lost: %v", err)
	}
}
