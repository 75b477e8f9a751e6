package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// The types of parameters and values.
const (
	int8OID = 20
	textOID = 25
)

// Client is one connection.
type Client struct {
	session   *session
	sql       *statements
	timeout   time.Duration
	isolation string // of transactions of several statements
	broken    bool
	values    payload.Table
	prepared  [forms][history.Kinds]bool
	unnamed   bool // the next statement is for once
	pooled    bool // a pool lies between, that changes servers under prepared statements: none is used any more

	oids   [forms][maxParameters]uint32
	buffer [maxParameters][8]byte
	params [maxParameters][]byte
	texts  [maxParameters][]byte // of values with a payload
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
	return s.client(session, o), nil
}

// client is a connection of a System.
func (s *servers) client(session *session, o targets.ClientOptions) *Client {
	c := newClient(session, kit.OpTimeout(o))
	c.sql, c.isolation, c.values = s.sql, s.isolation, o.Values
	return c
}

func newClient(s *session, timeout time.Duration) *Client {
	c := &Client{session: s, sql: launched, timeout: timeout}
	for i := range c.params {
		c.oids[asNumber][i], c.oids[asText][i] = int8OID, textOID
	}
	copy(c.oids[asText][:2], c.oids[asNumber][:]) // workload and key
	return c
}

// The forms of a value in the database.
const (
	asNumber = iota
	asText   // with a payload
	forms
)

func formOf(p *payload.Payload) int {
	if p == nil {
		return asNumber
	}
	return asText
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
	if !kit.Begin(op, c.broken) {
		return
	}
	if kit.IsTxn(op.Kind) {
		c.transact(ctx, op)
		return
	}
	if c.sql.find(op.Kind) == nil {
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
		c.dropConn(op, err)
	}
}

// dropConn ends op by an error of the connection, which is of no more use.
func (c *Client) dropConn(op *history.Op, err error) {
	c.broken = true
	kit.DoubtConn(op, err)
}

// send queues the messages of op. A statement is prepared by its first use.
func (c *Client) send(op *history.Op) {
	st, n, long := c.sql.find(op.Kind), 2, c.values.Of(op)
	name, sql, form := st.name, st.sql, formOf(long)
	if form == asText {
		name, sql = st.sizedName, st.sized
	}
	if c.unnamed || c.pooled {
		name = ""
	}
	c.set(0, int64(op.Workload))
	c.set(1, int64(op.Key))
	if st.values != nil {
		for _, v := range st.values(op) {
			if c.set(n, v); form == asText && !st.plain {
				c.texts[n] = long.Append(c.texts[n][:0], v)
				c.params[n] = c.texts[n]
			}
			n++
		}
	}
	front := c.session.front
	if name == "" || !c.prepared[form][op.Kind] {
		oids := &c.oids[form]
		if st.plain {
			oids = &c.oids[asNumber]
		}
		front.SendParse(&pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: oids[:n]})
	}
	front.SendBind(&pgproto3.Bind{PreparedStatement: name, ParameterFormatCodes: binaryFormat, Parameters: c.params[:n],
		ResultFormatCodes: binaryFormat})
	front.SendExecute(&pgproto3.Execute{})
	front.SendSync(&pgproto3.Sync{})
}

var binaryFormat = []int16{1}

func (c *Client) set(i int, v int64) {
	binary.BigEndian.PutUint64(c.buffer[i][:], uint64(v))
	c.params[i] = c.buffer[i][:]
}

var errReply = errors.New("unexpected reply")

// answer reads the reply to op; an error means that the connection is of no
// more use. The statement is done only with ReadyForQuery: the transaction
// commits after CommandComplete was sent.
func (c *Client) answer(op *history.Op) error {
	var refused, doubt, complete bool
	rows, long := 0, c.values.Of(op)
	for {
		message, err := c.session.front.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.ParseComplete:
			c.prepared[formOf(long)][op.Kind] = true
		case *pgproto3.DataRow:
			rows++
			if err := decode(op, long, m.Values); err != nil {
				return err
			}
		case *pgproto3.NoticeResponse:
			doubt = doubt || doubtful(m)
		case *pgproto3.CommandComplete:
			complete = true
		case *pgproto3.ErrorResponse:
			op.Outcome, op.Error = classify(m)
			refused = true
			c.pooled = c.pooled || m.Code == noStatement || m.Code == knownStatement
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
	case doubt && c.sql.find(op.Kind).writes:
		kit.Doubt(op, history.ErrServer)
	default:
		op.Outcome = history.OK
	}
}
