package redis

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// wire is a connection whose deadlines are set by its owner alone: redigo
// would take them away before every call.
type wire struct{ net.Conn }

func (wire) SetReadDeadline(time.Time) error  { return nil }
func (wire) SetWriteDeadline(time.Time) error { return nil }

// until bounds all calls up to the next bound.
func (w wire) until(t time.Time) error { return w.SetDeadline(t) }

// link is a connection for the harness's own questions.
type link struct {
	conn redigo.Conn
	wire wire
}

func newLink(conn net.Conn) *link {
	w := wire{conn}
	return &link{conn: redigo.NewConn(w, 0, 0), wire: w}
}

// Close closes the connection.
func (l *link) Close() error { return l.conn.Close() }

// ask makes one call within ctx.
func (l *link) ask(ctx context.Context, command string, args ...any) (any, error) {
	release, err := kit.Bound(ctx, l.wire, kit.DefaultTimeout)
	if err != nil {
		return nil, err
	}
	defer release()
	return l.conn.Do(command, args...)
}

// links are kept connections to one port of the nodes.
type links = kit.Kept[*link]

// byOperator dials a port through the agents, where no network fault touches it.
func byOperator(port int) func(context.Context, *cluster.Node) (*link, error) {
	return func(ctx context.Context, n *cluster.Node) (*link, error) {
		conn, err := n.DialServer(ctx, port)
		if err != nil {
			return nil, fmt.Errorf("connect to port %d of %s: %w", port, n.Name, err)
		}
		return newLink(conn), nil
	}
}

// byClients dials a port over the clients' network.
func byClients(port int) func(context.Context, *cluster.Node) (*link, error) {
	return func(ctx context.Context, n *cluster.Node) (*link, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", kit.Address(n, port))
		if err != nil {
			return nil, fmt.Errorf("connect to port %d of %s: %w", port, n.Name, err)
		}
		return newLink(conn), nil
	}
}

// server is what a server tells of itself.
type server struct {
	fields map[string]string // of INFO
	status targets.Status    // without epochs
}

// askServer asks for the sections of INFO that a Status needs.
func askServer(ctx context.Context, l *link) (server, error) {
	return askSections(ctx, l, "replication", "persistence")
}

// askSections asks for these and others.
func askSections(ctx context.Context, l *link, sections ...any) (server, error) {
	text, err := redigo.String(l.ask(ctx, "INFO", sections...))
	if err == redigo.Error("ERR syntax error") { // before version 7 it is one section or all
		text, err = redigo.String(l.ask(ctx, "INFO"))
	}
	if err != nil {
		return server{}, err
	}
	fields := parseInfo(text)
	st, err := roleStatus(fields)
	return server{fields, st}, err
}

// parseInfo reads the answer to INFO: lines of name:value.
func parseInfo(text string) map[string]string {
	fields := make(map[string]string, 64)
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":"); ok && name != "" && name[0] != '#' {
			fields[name] = value
		}
	}
	return fields
}
