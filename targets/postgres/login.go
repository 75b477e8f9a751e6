package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// login is how sessions begin with servers that somebody else runs. The driver
// does it (SCRAM, TLS); the connection is taken from it before the first statement.
type login struct {
	targets.Access
	once   sync.Once
	config *pgconn.Config
	failed error
}

// plain names every parameter that pgconn would else take from the environment
// (PG…) or from the user's files.
const plain = "host=localhost port=5432 user=x dbname=x password=x passfile='' connect_timeout=0 application_name=aftershock options='' " +
	"sslmode=disable sslcert='' sslkey='' sslrootcert='' sslpassword='' sslsni=1 sslnegotiation=postgres sslcertmode=allow " +
	"target_session_attrs=any min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=prefer require_auth=''"

// driver is how the driver is to connect, made at the first connection. Its error
// is of an environment that the driver cannot read.
func (l *login) driver() (*pgconn.Config, error) {
	l.once.Do(func() { l.config, l.failed = l.configure() })
	return l.config, l.failed
}

func (l *login) configure() (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(plain)
	if err != nil {
		if os.Getenv("PGSERVICE") != "" {
			return nil, kit.ForGood(errors.New("the environment variable PGSERVICE names a service that there is not: unset it, the plan alone says how to connect"))
		}
		return nil, kit.ForGood(fmt.Errorf("how to connect: %w", err))
	}
	config.User, config.Password, config.Database = l.User, l.Password, l.Database
	config.RuntimeParams = map[string]string{"application_name": "aftershock"}
	config.RequireAuth = ""
	if l.TLS == nil {
		config.RequireAuth = "scram-sha-256,md5,none" // a password goes in the clear only through TLS
	}
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // whoever dials looks it up
	return config, nil
}

// dial begins a session with the server at addr, which the way leads to.
func (l *login) dial(ctx context.Context, way kit.DialFunc, addr, database string) (*session, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is no port", text)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, kit.DefaultTimeout)
		defer cancel()
	}
	config, err := l.driver()
	if err != nil {
		return nil, err
	}
	config = config.Copy()
	config.Host, config.Port, config.TLSConfig = host, uint16(number), kit.NamedTLS(l.TLS, host)
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return way(ctx, "tcp", addr) }
	if database != "" {
		config.Database = database
	}
	began, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, explain(err, config)
	}
	taken, err := began.Hijack()
	if err != nil {
		return nil, err
	}
	return &session{conn: kit.Brief(taken.Conn), front: taken.Frontend, segment: walSegment}, nil
}

// explain adds the remedy to why a server did not let a user in; what no waiting
// mends is marked so.
func explain(err error, c *pgconn.Config) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		var wrongCert *tls.CertificateVerificationError
		switch {
		case strings.Contains(err.Error(), "require_auth"):
			return kit.ForGood(errors.New("the server asks for the password in the clear, and it is only sent through TLS: set target.connect.tls, or let the server ask by scram-sha-256"))
		case errors.As(err, &wrongCert):
			return kit.ForGood(fmt.Errorf("the server's certificate is not believed: %w: set target.connect.ca and target.connect.server", wrongCert))
		case strings.Contains(err.Error(), "refused TLS"):
			return kit.ForGood(errors.New("the server does not speak TLS: switch it on there (ssl=on), or take target.connect.tls away"))
		}
		var unreached *net.OpError
		if errors.As(err, &unreached) {
			return unreached
		}
		return err
	}
	why := fmt.Errorf("%s: %s (%s)", said.Severity, said.Message, said.Code)
	switch {
	case said.Code == "28P01":
		return kit.ForGood(fmt.Errorf("the server refuses user %q: %w: correct target.connect.user and target.connect.password", c.User, withCode{why, said}))
	case strings.HasPrefix(said.Code, "28"):
		return kit.ForGood(fmt.Errorf("the server does not let user %q in: %w: look at its pg_hba.conf, and whether it wants TLS (target.connect.tls)", c.User, withCode{why, said}))
	case said.Code == "3D000":
		return kit.ForGood(fmt.Errorf("there is no database %q: %w: correct target.connect.database", c.Database, withCode{why, said}))
	case said.Code == "42501":
		return kit.ForGood(fmt.Errorf("user %q may not connect to database %q: %w: GRANT CONNECT", c.User, c.Database, withCode{why, said}))
	case said.Code == "53300":
		return fmt.Errorf("the server has no connection left: %w: use fewer clients, or raise its max_connections", withCode{why, said})
	}
	return withCode{why, said}
}

// withCode is an error in our words that is the server's to errors.As.
type withCode struct {
	error
	said *pgconn.PgError
}

func (w withCode) Unwrap() error { return w.said }

// sessionQuery asks, once a session, for what later questions depend on.
const sessionQuery = `SELECT (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'),
 has_function_privilege('pg_ls_waldir()', 'EXECUTE') AND pg_has_role('pg_read_all_stats', 'USAGE')`

// know asks what a session has to know before it asks for a status.
func (s *session) know(ctx context.Context) error {
	rows, err := s.query(ctx, sessionQuery)
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return errReply
	}
	s.sees = rows[0][1] == "t"
	if s.segment, err = strconv.ParseUint(rows[0][0], 10, 64); err != nil || s.segment == 0 {
		return fmt.Errorf("wal_segment_size is %q", rows[0][0])
	}
	return nil
}

// begin begins a session for the harness's own questions.
func (l *login) begin(ctx context.Context, way kit.DialFunc, n *cluster.Node) (*session, error) {
	s, err := l.dial(ctx, way, kit.ServerAddress(n, port), "")
	if err != nil {
		return nil, err
	}
	if err := s.know(ctx); err != nil {
		_ = s.Close() // the error that counts is the first
		return nil, err
	}
	return s, nil
}

// operator begins a session by the operator's way, where a node has one.
func (l *login) operator(ctx context.Context, n *cluster.Node) (*session, error) {
	return kit.ByEither(ctx, n, port, func(ctx context.Context, way kit.DialFunc) (*session, error) { return l.begin(ctx, way, n) })
}

// straight begins a session over the clients' network.
func (l *login) straight(ctx context.Context, n *cluster.Node) (*session, error) {
	return l.begin(ctx, new(net.Dialer).DialContext, n)
}
