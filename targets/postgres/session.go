package postgres

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// port is every server's only port.
const port = 5432

// Roles of the database. The harness's own connections are a superuser's, for
// whom the server keeps some slots free.
const (
	operatorRole = "postgres"
	clientRole   = "aftershock"
)

// session is one connection, begun here and not by pgconn: that reads the
// environment's settings for libpq (PG…) and the user's files of services and
// passwords, and answers a time-out with a request to cancel the statement, and a
// commit whose wait for its standbys is cancelled becomes visible, and is reported
// as done, without being replicated. A session only ever closes its connection.
type session struct {
	conn    net.Conn
	front   *pgproto3.Frontend
	segment uint64 // size of the log's segments
	sees    bool   // on a server of somebody else's: it may ask for all of statusQuery

	// Of the last query.
	tag    string // what was done, "COMMIT"
	warned bool   // a warning came with it
}

// dial connects through the given way to a server, which trusts everybody.
func dial(ctx context.Context, way pgconn.DialFunc, host, role string) (*session, error) {
	conn, err := way(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, front: pgproto3.NewFrontend(conn, conn), segment: walSegment}
	if err := s.begin(ctx, role); err != nil {
		_ = conn.Close() // the error that counts is the first
		return nil, fmt.Errorf("connect to %s as %s: %w", host, role, err)
	}
	return s, nil
}

// begin says who connects to what, and waits until the server is ready.
func (s *session) begin(ctx context.Context, role string) error {
	release, err := kit.Bound(ctx, s.conn, kit.DefaultTimeout)
	if err != nil {
		return err
	}
	defer release()
	s.front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber,
		Parameters: map[string]string{"user": role, "database": "postgres", "application_name": "aftershock"}})
	if err := s.front.Flush(); err != nil {
		return err
	}
	for {
		message, err := s.front.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.AuthenticationOk, *pgproto3.ParameterStatus, *pgproto3.BackendKeyData, *pgproto3.NoticeResponse:
		case *pgproto3.ReadyForQuery:
			return nil
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		default:
			return fmt.Errorf("the server answers with %T, and should trust everybody", m)
		}
	}
}

// Close closes the connection; the server sees its end.
func (s *session) Close() error { return s.conn.Close() }

// query runs one statement and returns its rows, NULL as "". After an error
// the session is of no more use, unless it is a *pgconn.PgError.
func (s *session) query(ctx context.Context, sql string) ([][]string, error) {
	release, err := kit.Bound(ctx, s.conn, kit.DefaultTimeout)
	if err != nil {
		return nil, err
	}
	defer release()
	s.tag, s.warned = "", false
	s.front.SendQuery(&pgproto3.Query{String: sql})
	if err := s.front.Flush(); err != nil {
		return nil, err
	}
	return s.rows()
}

// rows reads everything up to the end of the statement's transaction.
func (s *session) rows() ([][]string, error) {
	var rows [][]string
	var failed error
	for {
		message, err := s.front.Receive()
		if err != nil {
			return nil, err
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			row := make([]string, len(m.Values))
			for i, v := range m.Values {
				row[i] = string(v)
			}
			rows = append(rows, row)
		case *pgproto3.NoticeResponse:
			s.warned = s.warned || doubtful(m)
		case *pgproto3.CommandComplete:
			s.tag = string(m.CommandTag)
		case *pgproto3.ErrorResponse:
			failed = pgconn.ErrorResponseToPgError(m)
			if m.SeverityUnlocalized != "ERROR" {
				return nil, failed
			}
		case *pgproto3.ReadyForQuery:
			return rows, failed
		}
	}
}

// value runs a statement that returns one row of one column.
func (s *session) value(ctx context.Context, sql string) (string, error) {
	rows, err := s.query(ctx, sql)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return "", fmt.Errorf("%.60s: one value was expected, got %d rows", sql, len(rows))
	}
	return rows[0][0], nil
}

// exec runs statements one by one, each in a transaction of its own.
func (s *session) exec(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := s.query(ctx, sql); err != nil {
			return fmt.Errorf("%.60s: %w", sql, err)
		}
	}
	return nil
}
