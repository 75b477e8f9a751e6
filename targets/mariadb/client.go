package mariadb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// statements are what each kind of operation runs, prepared at its first use
// on a connection. Every one is a transaction of its own. Reads tell in the
// same answer whether the server is read only.
var statements = [history.Kinds]string{
	history.Read:    "SELECT @@read_only, (SELECT v FROM registers WHERE w = ? AND k = ?)",
	history.Poll:    "SELECT @@read_only, (SELECT v FROM markers WHERE w = ? AND k = ?)",
	history.ReadSet: "SELECT 1, @@read_only UNION ALL SELECT 0, v FROM elements WHERE w = ? AND k = ?",
	history.Write:   "INSERT INTO registers (w, k, v) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)",
	history.Mark:    "INSERT INTO markers (w, k, v) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)",
	history.Scan:    "SELECT -1, @@read_only UNION ALL SELECT CAST(k AS SIGNED), v FROM registers WHERE w = ? AND k >= ? AND k < ?",
	history.Add:     "INSERT INTO elements (w, k, v) VALUES (?, ?, ?)",
	history.CAS:     "UPDATE registers SET v = ? WHERE w = ? AND k = ? AND v = ?",
}

// sized are the statements on values with a payload: n is the value's number.
var sized = [history.Kinds]string{
	history.Read:    "SELECT @@read_only, (SELECT v FROM records WHERE w = ? AND k = ?)",
	history.ReadSet: "SELECT 1, @@read_only UNION ALL SELECT 0, v FROM members WHERE w = ? AND k = ?",
	history.Write:   "INSERT INTO records (w, k, n, v) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE n = VALUES(n), v = VALUES(v)",
	history.Scan:    "SELECT -1, @@read_only UNION ALL SELECT CAST(k AS SIGNED), v FROM records WHERE w = ? AND k >= ? AND k < ?",
	history.Add:     "INSERT INTO members (w, k, n, v) VALUES (?, ?, ?, ?)",
	history.CAS:     "UPDATE records SET n = ?, v = ? WHERE w = ? AND k = ? AND v = ?",
}

// Client is one connection.
type Client struct {
	conn     connection
	timeout  time.Duration
	prepared [2][history.Kinds]statement // and the sized ones
	args     [5]driver.NamedValue
	values   payload.Table
	text     [2][]byte // values with a payload
	broken   bool
}

var _ targets.Client = (*Client)(nil)

// statement is a prepared statement of the driver.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

var (
	errAnswer    = errors.New("the answer is not what the statement asked for")
	errStatement = errors.New("the driver's statement knows no contexts")
)

// connect opens a connection for a worker of either target, and sets it up.
func connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions, setUp ...string) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	conn, err := open(ctx, clients, kit.Address(n, port), dial)
	if err != nil {
		return nil, fmt.Errorf("connect to MariaDB on %s: %w", n.Name, err)
	}
	if err := (&session{conn}).exec(ctx, setUp...); err != nil {
		_ = conn.Close() // it is given up
		return nil, fmt.Errorf("set a connection to MariaDB on %s up: %w", n.Name, err)
	}
	c := &Client{conn: conn, timeout: kit.OpTimeout(o), values: o.Values}
	for i := range c.args {
		c.args[i].Ordinal = i + 1
	}
	return c, nil
}

// Broken reports whether the connection is of no more use.
func (c *Client) Broken() bool { return c.broken }

// Close closes the connection.
func (c *Client) Close() error {
	c.broken = true
	return c.conn.Close()
}

// Do makes one call. A read that goes to the node that the caller takes for the
// primary (the flag FromPrimary) is refused by a server that is read only.
func (c *Client) Do(ctx context.Context, op *history.Op) {
	if !kit.Begin(op, c.broken) {
		return
	}
	if kit.IsTxn(op.Kind) {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		c.transact(ctx, op)
		return
	}
	if int(op.Kind) >= len(statements) || statements[op.Kind] == "" {
		kit.Refuse(op, history.ErrServer)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.call(ctx, op); err != nil {
		op.Outcome, op.Error, c.broken = classify(err)
	}
}

// call runs op's statement and sets its outcome; an error leaves it open.
func (c *Client) call(ctx context.Context, op *history.Op) error {
	s, err := c.prepare(ctx, op)
	if err != nil {
		return err
	}
	switch op.Kind {
	case history.Read, history.Poll:
		return c.read(ctx, s, op)
	case history.ReadSet:
		return c.readSet(ctx, s, op)
	case history.Scan:
		return c.scan(ctx, s, op)
	case history.CAS:
		return c.compareAndSet(ctx, s, op)
	}
	args := c.with(int64(op.Workload), int64(op.Key), op.Value)
	if p := c.values.Of(op); p != nil {
		args = c.with(int64(op.Workload), int64(op.Key), op.Value, c.long(0, p, op.Value))
	}
	if _, err := s.ExecContext(ctx, args); err != nil {
		return err
	}
	op.Outcome = history.OK
	return nil
}

func (c *Client) prepare(ctx context.Context, op *history.Op) (statement, error) {
	kind, sql, form := op.Kind, statements[op.Kind], 0
	if c.values.Of(op) != nil {
		sql, form = sized[op.Kind], 1
	}
	if c.prepared[form][kind] == nil {
		prepared, err := c.conn.PrepareContext(ctx, sql)
		if err != nil {
			return nil, err
		}
		s, ok := prepared.(statement)
		if !ok {
			return nil, errStatement
		}
		c.prepared[form][kind] = s
	}
	return c.prepared[form][kind], nil
}

// with makes arguments; they are valid until its next call.
func (c *Client) with(values ...any) []driver.NamedValue {
	for i, v := range values {
		c.args[i].Value = v
	}
	return c.args[:len(values)]
}

// long is a value with a payload, in one of two places.
func (c *Client) long(place int, p *payload.Payload, v int64) []byte {
	c.text[place] = p.Append(c.text[place][:0], v)
	return c.text[place]
}

// valueOf is that of a value, which is a number or has a payload.
func valueOf(p *payload.Payload, v driver.Value) (int64, error) {
	if text, ok := v.([]byte); ok && p != nil {
		return p.Parse(text)
	}
	if n, ok := v.(int64); ok && p == nil {
		return n, nil
	}
	return 0, errAnswer
}

// query calls f with the two columns of every row.
func (c *Client) query(ctx context.Context, s statement, op *history.Op, f func(a, b driver.Value) error) error {
	args := c.with(int64(op.Workload), int64(op.Key))
	if op.Kind == history.Scan {
		args = c.with(int64(op.Workload), int64(op.Key), int64(op.Key)+op.Old)
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return err
	}
	if len(rows.Columns()) != 2 {
		return errors.Join(errAnswer, rows.Close())
	}
	var values [2]driver.Value
	for err == nil {
		if err = rows.Next(values[:]); err == nil {
			err = f(values[0], values[1])
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// read reads one value; a missing row is history.Nil.
func (c *Client) read(ctx context.Context, s statement, op *history.Op) error {
	readOnly, value, rows := int64(0), history.Nil, 0
	err := c.query(ctx, s, op, func(a, b driver.Value) error {
		rows++
		var ok bool
		if readOnly, ok = a.(int64); !ok {
			return errAnswer
		}
		if b == nil {
			return nil
		}
		var err error
		value, err = valueOf(c.values.Of(op), b)
		return err
	})
	if err == nil && rows != 1 {
		err = errAnswer
	}
	if err != nil {
		return err
	}
	if refused(op, readOnly) {
		return nil
	}
	op.Value, op.Outcome = value, history.OK
	return nil
}

// readSet reads the row that tells the role, and the elements.
func (c *Client) readSet(ctx context.Context, s statement, op *history.Op) error {
	op.Elements = op.Elements[:0]
	readOnly := int64(-1)
	err := c.query(ctx, s, op, func(a, b driver.Value) error {
		isRole, ok := a.(int64)
		switch {
		case !ok:
			return errAnswer
		case isRole != 0:
			var err error
			readOnly, err = strconv.ParseInt(text(b), 10, 64) // a text beside values with a payload
			return err
		}
		v, err := valueOf(c.values.Of(op), b)
		op.Elements = append(op.Elements, v)
		return err
	})
	if err == nil && readOnly < 0 {
		err = errAnswer
	}
	if err != nil {
		op.Elements = op.Elements[:0]
		return err
	}
	if refused(op, readOnly) {
		op.Elements = op.Elements[:0]
		return nil
	}
	op.Outcome = history.OK
	return nil
}

// scan reads the row that tells the role, and the registers that are there.
func (c *Client) scan(ctx context.Context, s statement, op *history.Op) error {
	op.Elements = op.Elements[:0]
	for range op.Old {
		op.Elements = append(op.Elements, history.Nil)
	}
	readOnly := int64(-1)
	err := c.query(ctx, s, op, func(a, b driver.Value) (err error) {
		key, ok := a.(int64)
		at := key - int64(op.Key)
		switch {
		case ok && key < 0:
			readOnly, err = strconv.ParseInt(text(b), 10, 64)
			return err
		case !ok || at < 0 || at >= op.Old:
			return errAnswer
		}
		op.Elements[at], err = valueOf(c.values.Of(op), b)
		return err
	})
	if err == nil && readOnly < 0 {
		err = errAnswer
	}
	if err == nil && !refused(op, readOnly) {
		op.Outcome = history.OK
		return nil
	}
	op.Elements = op.Elements[:0]
	return err
}

// refused ends a read for the primary that met another server.
func refused(op *history.Op, readOnly int64) bool {
	if readOnly == 0 || op.Flags&history.FromPrimary == 0 {
		return false
	}
	kit.Refuse(op, history.ErrNotPrimary)
	return true
}

// compareAndSet changes the row that has the old value; if none has, nothing
// happened.
func (c *Client) compareAndSet(ctx context.Context, s statement, op *history.Op) error {
	args := c.with(op.Value, int64(op.Workload), int64(op.Key), op.Old)
	if p := c.values.Of(op); p != nil {
		args = c.with(op.Value, c.long(0, p, op.Value), int64(op.Workload), int64(op.Key), c.long(1, p, op.Old))
	}
	result, err := s.ExecContext(ctx, args)
	if err != nil {
		return err
	}
	matched, err := result.RowsAffected()
	switch {
	case err != nil:
		return err
	case matched == 0:
		kit.Refuse(op, history.ErrCompare)
	case matched == 1:
		op.Outcome = history.OK
	default:
		return errAnswer
	}
	return nil
}
