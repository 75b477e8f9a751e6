package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Transactions of several statements, each statement a round trip of its own,
// as applications have them. Lists are rows of text, "1,2,3".

// transact runs op in one transaction. Until COMMIT is sent nothing can have
// happened: every error before is Fail, also a lost connection, with which the
// server rolls back.
func (c *Client) transact(ctx context.Context, op *history.Op) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	level := c.isolation
	if op.Flags&history.FromPrimary == 0 {
		level = "repeatable read" // the strongest that a standby has
	}
	answer := *op
	_, err := c.session.query(ctx, "BEGIN ISOLATION LEVEL "+level)
	if err == nil {
		err = c.body(ctx, &answer)
	}
	if err != nil {
		c.abandon(ctx, op, err)
		return
	}
	c.commit(ctx, op, &answer)
}

// errShort is the error of a transfer from an account that holds too little.
var errShort = errors.New("the account holds less")

// errStandby is the error of a transaction for the primary on a standby.
var errStandby = errors.New("the server is in recovery")

// abandon ends a transaction that did not come to its COMMIT.
func (c *Client) abandon(ctx context.Context, op *history.Op, err error) {
	why := history.ErrConnLost
	var said *pgconn.PgError
	switch {
	case errors.Is(err, errShort):
		why = history.ErrCompare
	case errors.Is(err, errStandby):
		why = history.ErrNotPrimary
	case errors.As(err, &said):
		if why = refusals[said.Code]; why == history.ErrNone {
			why = history.ErrServer
		}
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil, isTimeout(err):
		why = history.ErrTimeout
	}
	kit.Refuse(op, why)
	if _, err := c.session.query(ctx, "ROLLBACK"); err != nil {
		c.broken = true
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// commit commits and takes the answer over if that is certain.
func (c *Client) commit(ctx context.Context, op, answer *history.Op) {
	_, err := c.session.query(ctx, "COMMIT")
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		op.Outcome, op.Error = classifyCode(said.SeverityUnlocalized, said.Code)
		c.broken = c.broken || said.SeverityUnlocalized != "ERROR"
	case err != nil:
		c.dropConn(op, err)
	case c.session.tag != "COMMIT":
		kit.Refuse(op, history.ErrServer) // rolled back
	case c.session.warned:
		kit.Doubt(op, history.ErrServer)
	default:
		op.Value, op.Elements, op.Outcome = answer.Value, answer.Elements, history.OK
	}
}

// body runs the statements of an operation.
func (c *Client) body(ctx context.Context, op *history.Op) error {
	if op.Flags&history.FromPrimary != 0 {
		if standby, err := c.session.value(ctx, "SELECT pg_is_in_recovery()"); err != nil || standby != "f" {
			return errors.Join(err, errStandby)
		}
	}
	switch op.Kind {
	case history.Txn:
		return c.lists(ctx, op)
	case history.Transfer:
		return c.transfer(ctx, op)
	case history.Balances:
		return c.balances(ctx, op)
	}
	v, err := c.add(ctx, op)
	if op.Kind == history.Generate {
		op.Value = v
	}
	return err
}

func (c *Client) lists(ctx context.Context, op *history.Op) error {
	micros, ok := history.Micros(op.Elements)
	if !ok {
		return errReply
	}
	op.Elements = nil
	for _, m := range micros {
		if m.Read {
			rows, err := c.session.query(ctx, fmt.Sprintf("SELECT v FROM %s WHERE w = %d AND k = %d", c.sql.tables.list, op.Workload, m.Key))
			if err != nil {
				return err
			}
			m.Known = true
			if len(rows) == 1 {
				if m.List, err = kit.SplitList(rows[0][0]); err != nil {
					return errReply
				}
			}
		} else if _, err := c.session.query(ctx, fmt.Sprintf("INSERT INTO %[1]s VALUES (%[2]d, %[3]d, '%[4]d') ON CONFLICT (w, k) DO UPDATE SET v = %[1]s.v || ',%[4]d'",
			c.sql.tables.list, op.Workload, m.Key, m.Value)); err != nil {
			return err
		}
		op.Elements = history.AppendMicro(op.Elements, m)
	}
	return nil
}

// transfer looks at the balance and then moves the money.
func (c *Client) transfer(ctx context.Context, op *history.Op) error {
	account, w, from, to := c.sql.tables.account, op.Workload, op.Key, uint32(op.Old)
	first, second := min(from, to), max(from, to) // always in the same order
	if _, err := c.session.query(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, %d), (%d, %d, %d) ON CONFLICT (w, k) DO NOTHING",
		account, w, first, history.OpeningBalance, w, second, history.OpeningBalance)); err != nil {
		return err
	}
	text, err := c.session.value(ctx, fmt.Sprintf("SELECT v FROM %s WHERE w = %d AND k = %d", account, w, from))
	if err != nil {
		return err
	}
	balance, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return errReply
	}
	if balance < op.Value {
		return errShort
	}
	for _, key := range []uint32{first, second} {
		by := op.Value
		if key == from {
			by = -by
		}
		if _, err := c.session.query(ctx, fmt.Sprintf("UPDATE %s SET v = v + %d WHERE w = %d AND k = %d", account, by, w, key)); err != nil {
			return err
		}
	}
	return nil
}

// balances reads the accounts one by one.
func (c *Client) balances(ctx context.Context, op *history.Op) error {
	op.Elements = nil
	for key := range op.Key {
		rows, err := c.session.query(ctx, fmt.Sprintf("SELECT v FROM %s WHERE w = %d AND k = %d", c.sql.tables.account, op.Workload, key))
		if err != nil {
			return err
		}
		balance := int64(history.OpeningBalance)
		if len(rows) == 1 {
			if balance, err = strconv.ParseInt(strings.TrimSpace(rows[0][0]), 10, 64); err != nil {
				return errReply
			}
		}
		op.Elements = append(op.Elements, balance)
	}
	return nil
}

// add counts a counter up, by one for a unique number.
func (c *Client) add(ctx context.Context, op *history.Op) (int64, error) {
	table, by := c.sql.tables.register, op.Value
	if op.Kind == history.Generate {
		table, by = c.sql.tables.account, 1
	}
	text, err := c.session.value(ctx, fmt.Sprintf("INSERT INTO %[1]s VALUES (%[2]d, %[3]d, %[4]d) ON CONFLICT (w, k) DO UPDATE SET v = %[1]s.v + %[4]d RETURNING v",
		table, op.Workload, op.Key, by))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}
