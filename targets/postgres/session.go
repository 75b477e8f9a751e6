package postgres

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// port is every server's only port.
const port = 5432

// defaultPatience bounds calls whose context has no deadline.
const defaultPatience = 10 * time.Second

// Roles of the database. The harness's own connections are a superuser's, for
// whom the server keeps some slots free.
const (
	operatorRole = "postgres"
	clientRole   = "aftershock"
)

// session is one connection, made by pgconn and then taken from it: pgconn
// answers a time-out with a request to cancel the statement, and a commit whose
// wait for its standbys is cancelled becomes visible, and is reported as done,
// without being replicated. A session only ever closes its connection.
type session struct {
	conn  net.Conn
	front *pgproto3.Frontend

	// Of the last query.
	tag    string // what was done, "COMMIT"
	warned bool   // a warning came with it
}

// dial connects through the given way to a server.
func dial(ctx context.Context, way pgconn.DialFunc, host, role string) (*session, error) {
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=disable target_session_attrs=any", host, port, role))
	if err != nil {
		return nil, fmt.Errorf("the environment's settings for libpq (PG…) are wrong: %w", err)
	}
	config.DialFunc = way
	config.RuntimeParams = map[string]string{"application_name": "aftershock"}
	config.Fallbacks, config.Password = nil, ""
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	return &session{conn: hijacked.Conn, front: hijacked.Frontend}, nil
}

// Close closes the connection; the server sees its end.
func (s *session) Close() error { return s.conn.Close() }

// query runs one statement and returns its rows, NULL as "". After an error
// the session is of no more use, unless it is a *pgconn.PgError.
func (s *session) query(ctx context.Context, sql string) ([][]string, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultPatience)
	}
	if err := s.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
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
