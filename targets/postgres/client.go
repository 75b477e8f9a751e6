package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// statement is one prepared statement. Its parameters are int8: workload, key,
// and then those that the kind has.
type statement struct {
	name   string
	sql    string
	values func(op *history.Op) []int64 // after workload and key; nil: none
	writes bool                         // 25006 on a standby; acknowledged by its commit
}

// schema makes the tables of all statements.
var schema = []string{
	"CREATE TABLE IF NOT EXISTS register (w int8, k int8, v int8 NOT NULL, PRIMARY KEY (w, k))",
	"CREATE TABLE IF NOT EXISTS marker (w int8, k int8, v int8 NOT NULL, PRIMARY KEY (w, k))",
	"CREATE TABLE IF NOT EXISTS element (w int8, k int8, v int8 NOT NULL)",
	"CREATE INDEX IF NOT EXISTS element_of ON element (w, k)",
	"GRANT SELECT, INSERT, UPDATE ON register, marker, element TO " + clientRole,
}

const (
	read   = "SELECT pg_is_in_recovery(), (SELECT v FROM %s WHERE w = $1 AND k = $2)"
	upsert = "INSERT INTO %s VALUES ($1, $2, $3) ON CONFLICT (w, k) DO UPDATE SET v = excluded.v"
)

func oneValue(op *history.Op) []int64 { return []int64{op.Value} }

// statements are by kind; a kind without one is not the clients'.
var statements = [history.Kinds]statement{
	history.Read:    {name: "read", sql: fmt.Sprintf(read, "register")},
	history.Poll:    {name: "poll", sql: fmt.Sprintf(read, "marker")},
	history.ReadSet: {name: "readset", sql: "SELECT pg_is_in_recovery(), ARRAY(SELECT v FROM element WHERE w = $1 AND k = $2)"},
	history.Write:   {name: "write", sql: fmt.Sprintf(upsert, "register"), values: oneValue, writes: true},
	history.Mark:    {name: "mark", sql: fmt.Sprintf(upsert, "marker"), values: oneValue, writes: true},
	history.Add:     {name: "add", sql: "INSERT INTO element VALUES ($1, $2, $3)", values: oneValue, writes: true},
	// The second column is the value before the statement.
	history.CAS: {name: "cas", sql: "WITH swapped AS (UPDATE register SET v = $4 WHERE w = $1 AND k = $2 AND v = $3 RETURNING 1) " +
		"SELECT (SELECT count(*) FROM swapped), (SELECT v FROM register WHERE w = $1 AND k = $2)",
		values: func(op *history.Op) []int64 { return []int64{op.Old, op.Value} }, writes: true},
}

// maxParameters is how many the largest statement has.
const maxParameters = 4

const int8OID = 20

// Client is one connection.
type Client struct {
	session   *session
	timeout   time.Duration
	isolation string // of transactions of several statements
	broken    bool
	prepared  [history.Kinds]bool

	oids   [maxParameters]uint32
	buffer [maxParameters][8]byte
	params [maxParameters][]byte
}

var _ targets.Client = (*Client)(nil)

// Connect opens a connection to a node over the clients' network.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	session, err := dial(ctx, way, n.Addr.String(), clientRole)
	if err != nil {
		return nil, fmt.Errorf("connect to postgres on %s: %w", n.Name, err)
	}
	timeout := kit.OpTimeout(o)
	c := newClient(session, timeout)
	c.isolation = s.isolation
	return c, nil
}

func newClient(s *session, timeout time.Duration) *Client {
	c := &Client{session: s, timeout: timeout}
	for i := range c.params {
		c.oids[i], c.params[i] = int8OID, c.buffer[i][:]
	}
	return c
}

// Broken reports whether the connection is of no more use.
func (c *Client) Broken() bool { return c.broken }

// Close closes the connection. A statement that is under way goes on.
func (c *Client) Close() error {
	c.broken = true
	return c.session.Close()
}

// Do makes one call: one statement in a transaction of its own, in one round
// trip. An operation that goes to the node that the caller takes for the
// primary (the flag FromPrimary) is answered by a primary only.
func (c *Client) Do(ctx context.Context, op *history.Op) {
	op.Outcome, op.Error = history.Unknown, history.ErrNone
	op.Flags &^= history.Seen
	if c.broken {
		kit.Refuse(op, history.ErrConnect) // nothing is sent
		return
	}
	if kit.IsTxn(op.Kind) {
		c.transact(ctx, op)
		return
	}
	if int(op.Kind) >= len(statements) || statements[op.Kind].sql == "" {
		kit.Refuse(op, history.ErrServer)
		return
	}
	deadline := kit.Deadline(ctx, c.timeout)
	err := c.session.conn.SetDeadline(deadline)
	if err == nil {
		c.send(op)
		err = c.session.front.Flush()
	}
	if err == nil {
		err = c.answer(op)
	}
	if err != nil {
		c.lose(op, err)
	}
}

// lose marks the connection broken: an answer may still come for this call,
// and must not be taken for the next one's.
func (c *Client) lose(op *history.Op, err error) {
	c.broken = true
	kit.Doubt(op, history.ErrConnLost)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		op.Error = history.ErrTimeout
	}
}

// send queues the messages of op. A statement is prepared by its first use.
func (c *Client) send(op *history.Op) {
	st := &statements[op.Kind]
	n := 2
	c.set(0, int64(op.Workload))
	c.set(1, int64(op.Key))
	if st.values != nil {
		for _, v := range st.values(op) {
			c.set(n, v)
			n++
		}
	}
	front := c.session.front
	if !c.prepared[op.Kind] {
		front.SendParse(&pgproto3.Parse{Name: st.name, Query: st.sql, ParameterOIDs: c.oids[:n]})
	}
	front.SendBind(&pgproto3.Bind{PreparedStatement: st.name, ParameterFormatCodes: binaryFormat, Parameters: c.params[:n],
		ResultFormatCodes: binaryFormat})
	front.SendExecute(&pgproto3.Execute{})
	front.SendSync(&pgproto3.Sync{})
}

var binaryFormat = []int16{1}

func (c *Client) set(i int, v int64) { binary.BigEndian.PutUint64(c.buffer[i][:], uint64(v)) }

var errReply = errors.New("unexpected reply")

// answer reads the reply to op; an error means that the connection is of no
// more use. The statement is done only with ReadyForQuery: the transaction
// commits after CommandComplete was sent.
func (c *Client) answer(op *history.Op) error {
	var refused, doubt, complete bool
	rows := 0
	for {
		message, err := c.session.front.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.ParseComplete:
			c.prepared[op.Kind] = true
		case *pgproto3.DataRow:
			rows++
			if err := decode(op, m.Values); err != nil {
				return err
			}
		case *pgproto3.NoticeResponse:
			doubt = doubt || doubtful(m)
		case *pgproto3.CommandComplete:
			complete = true
		case *pgproto3.ErrorResponse:
			op.Outcome, op.Error = classify(m)
			refused = true
			if m.SeverityUnlocalized != "ERROR" {
				c.broken = true // the server ends the connection
				return nil
			}
		case *pgproto3.ReadyForQuery:
			if refused {
				return nil
			}
			if m.TxStatus != 'I' || !complete || rows != expectedRows(op.Kind) {
				return errReply
			}
			c.finish(op, doubt)
			return nil
		}
	}
}

func expectedRows(k history.Kind) int {
	if k == history.Write || k == history.Mark || k == history.Add {
		return 0
	}
	return 1
}

// finish sets the outcome of a statement that ended without an error; decode
// has already refused what its row refuses.
func (c *Client) finish(op *history.Op, doubt bool) {
	switch {
	case op.Outcome == history.Fail:
	case doubt && statements[op.Kind].writes:
		kit.Doubt(op, history.ErrServer)
	default:
		op.Outcome = history.OK
	}
}

// decode reads the row of a read or of a compare-and-set.
func decode(op *history.Op, row [][]byte) error {
	if len(row) != 2 {
		return errReply
	}
	if op.Kind == history.CAS {
		return decodeCAS(op, row)
	}
	if len(row[0]) != 1 {
		return errReply
	}
	if row[0][0] != 0 && op.Flags&history.FromPrimary != 0 {
		kit.Refuse(op, history.ErrNotPrimary)
		return nil
	}
	var err error
	if op.Kind == history.ReadSet {
		op.Elements, err = appendArray(op.Elements[:0], row[1])
	} else {
		op.Value, err = number(row[1])
	}
	return err
}

// decodeCAS reads how many rows were changed, and the value before. That value
// is told as the current one only if it explains the failure: the comparison is
// made with the newest value, which may have been committed in between.
func decodeCAS(op *history.Op, row [][]byte) error {
	changed, err := number(row[0])
	if err != nil || changed < 0 || changed > 1 {
		return errReply
	}
	before, err := number(row[1])
	if err != nil || changed == 1 {
		return err
	}
	kit.Refuse(op, history.ErrCompare)
	if before != op.Old {
		op.Observed = before
		op.Flags |= history.Seen
	}
	return nil
}

// number reads an int8 in binary; NULL is Nil.
func number(b []byte) (int64, error) {
	switch len(b) {
	case 8:
		return int64(binary.BigEndian.Uint64(b)), nil
	case 0:
		if b == nil {
			return history.Nil, nil
		}
	}
	return 0, errReply
}

// appendArray reads a one-dimensional int8[] in binary: the number of
// dimensions, a flag for NULLs and the element type, then, unless it is empty,
// length and lower bound, then each element after its length.
func appendArray(to []int64, b []byte) ([]int64, error) {
	const header, dimension, element = 12, 8, 12
	if len(b) < header || binary.BigEndian.Uint32(b[8:]) != int8OID {
		return to, errReply
	}
	if binary.BigEndian.Uint32(b) == 0 {
		return to, nil
	}
	if binary.BigEndian.Uint32(b) != 1 || len(b) < header+dimension {
		return to, errReply
	}
	n := uint64(binary.BigEndian.Uint32(b[header:]))
	b = b[header+dimension:]
	if uint64(len(b)) != n*element {
		return to, errReply
	}
	for ; len(b) > 0; b = b[element:] {
		if binary.BigEndian.Uint32(b) != 8 {
			return to, errReply
		}
		to = append(to, int64(binary.BigEndian.Uint64(b[4:])))
	}
	return to, nil
}
