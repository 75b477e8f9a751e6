package mariadb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// connection is the driver's own connection. It is used without database/sql,
// whose pool would connect and try again by itself: one call is one attempt.
type connection interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// open connects within ctx.
func open(ctx context.Context, user, addr string, dial dialer) (connection, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName = user, password, "tcp", addr, database
	config.ClientFoundRows = true // an update tells the rows that matched, changed or not
	config.DialFunc = dial
	config.Logger = &mysql.NopLogger{} // what it would print is in the error
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := conn.(connection)
	if !ok {
		return nil, errors.Join(errors.New("the driver's connection knows no contexts"), conn.Close())
	}
	return c, nil
}

// session asks and orders in plain text, for the operator's needs.
type session struct{ connection }

// operate connects as the operator, by the operator's way.
func operate(ctx context.Context, n *cluster.Node) (*session, error) {
	conn, err := open(ctx, operators, kit.Address(n, port), func(ctx context.Context, _, _ string) (net.Conn, error) {
		return n.DialServer(ctx, port)
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s as the operator: %w", n.Name, err)
	}
	return &session{conn}, nil
}

// look connects as a client, by the clients' way.
func look(ctx context.Context, n *cluster.Node) (*session, error) {
	conn, err := open(ctx, clients, kit.Address(n, port), new(net.Dialer).DialContext)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", n.Name, err)
	}
	return &session{conn}, nil
}

// exec runs statements one after the other, up to the first error.
func (s *session) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.ExecContext(ctx, statement, nil); err != nil {
			return fmt.Errorf("%.80s: %w", statement, err)
		}
	}
	return nil
}

// each calls f with every row; columns and values are f's only during the call.
func (s *session) each(ctx context.Context, query string, f func(columns []string, values []driver.Value) error) error {
	rows, err := s.QueryContext(ctx, query, nil)
	if err != nil {
		return fmt.Errorf("%.80s: %w", query, err)
	}
	columns := rows.Columns()
	values := make([]driver.Value, len(columns))
	for err == nil {
		if err = rows.Next(values); err == nil {
			err = f(columns, values)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, rows.Close()); err != nil {
		return fmt.Errorf("%.80s: %w", query, err)
	}
	return nil
}

// row is the first row of an answer by its columns' names; nil if there is none.
// NULL is the empty string.
func (s *session) row(ctx context.Context, query string) (map[string]string, error) {
	var row map[string]string
	err := s.each(ctx, query, func(columns []string, values []driver.Value) error {
		if row == nil {
			row = make(map[string]string, len(columns))
			for i, c := range columns {
				row[c] = text(values[i])
			}
		}
		return nil
	})
	return row, err
}

// pairs are the rows of an answer of two columns: SHOW STATUS.
func (s *session) pairs(ctx context.Context, query string) (map[string]string, error) {
	all := map[string]string{}
	err := s.each(ctx, query, func(columns []string, values []driver.Value) error {
		if len(values) != 2 {
			return fmt.Errorf("%d columns in place of 2", len(values))
		}
		all[text(values[0])] = text(values[1])
		return nil
	})
	return all, err
}

// text is a value of the text protocol.
func text(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	}
	return fmt.Sprint(v)
}
