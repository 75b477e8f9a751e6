package mariadb

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Transactions of several statements, each statement a round trip of its own,
// as applications have them. Lists are rows of text, "1,2,3".

// isolation is the option of transactions' isolation, of both targets: the
// server's own name, and its words.
var isolation = schema.Field{Name: "transaction-isolation", Default: "REPEATABLE-READ",
	Words:   []string{"READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"},
	Meaning: "isolation of transactions of several statements (append, bank)"}

// snapshotIsolation is the option, of both targets, by which a transaction may not write
// what others have changed after its snapshot.
var snapshotIsolation = schema.Field{Name: "innodb_snapshot_isolation", Default: serversOwn, Words: []string{serversOwn, off, on},
	Meaning: "repeatable read refuses to write a row that changed after the snapshot; default: as the server has it, which is ON from MariaDB 11.6.2 on"}

// serversOwn is the word of options that leaves a variable as the server has it.
const serversOwn = "default"

// snapshotSetting is the line of the configuration, if there is to be one.
func snapshotSetting(value string) []setting {
	if value == serversOwn {
		return nil
	}
	return []setting{{snapshotIsolation.Name, value}}
}

// setIsolation is the statement that sets a connection's level.
func setIsolation(level string) string {
	return "SET SESSION TRANSACTION ISOLATION LEVEL " + map[string]string{"READ-UNCOMMITTED": "READ UNCOMMITTED",
		"READ-COMMITTED": "READ COMMITTED", "REPEATABLE-READ": "REPEATABLE READ", "SERIALIZABLE": "SERIALIZABLE"}[level]
}

var (
	errShort   = errors.New("the account holds less")
	errReplica = errors.New("the server is read only")
)

// transact runs op in one transaction. Until COMMIT is sent nothing can have
// happened: every error before is Fail, also a lost connection, with which the
// server rolls back.
func (c *Client) transact(ctx context.Context, op *history.Op) {
	s := &session{c.conn}
	answer := *op
	err := s.exec(ctx, "START TRANSACTION")
	if err == nil {
		err = body(ctx, s, &answer)
	}
	if err != nil {
		c.abandon(ctx, s, op, err)
		return
	}
	if err := s.exec(ctx, "COMMIT"); err != nil {
		op.Outcome, op.Error, c.broken = classify(err)
		return
	}
	op.Value, op.Elements, op.Outcome = answer.Value, answer.Elements, history.OK
}

// abandon ends a transaction that did not come to its COMMIT.
func (c *Client) abandon(ctx context.Context, s *session, op *history.Op, err error) {
	var said *mysql.MySQLError
	switch {
	case errors.Is(err, errShort):
		kit.Refuse(op, history.ErrCompare)
	case errors.Is(err, errReplica):
		kit.Refuse(op, history.ErrNotPrimary)
	default:
		_, why, _ := classify(err)
		kit.Refuse(op, why)
		c.broken = !errors.As(err, &said)
	}
	if !c.broken && s.exec(ctx, "ROLLBACK") != nil {
		c.broken = true
	}
}

// body runs the statements of an operation.
func body(ctx context.Context, s *session, op *history.Op) error {
	if op.Flags&history.FromPrimary != 0 {
		if readOnly, _, err := number(ctx, s, "SELECT @@read_only"); err != nil || readOnly != 0 {
			return errors.Join(err, errReplica)
		}
	}
	switch op.Kind {
	case history.Txn:
		return lists(ctx, s, op)
	case history.Transfer:
		return transfer(ctx, s, op)
	case history.Balances:
		return balances(ctx, s, op)
	}
	return add(ctx, s, op)
}

// number is the only value of an answer; known is false if there is no row.
func number(ctx context.Context, s *session, query string) (v int64, known bool, err error) {
	text, known, err := value(ctx, s, query)
	if err != nil || !known {
		return 0, known, err
	}
	v, err = strconv.ParseInt(text, 10, 64)
	return v, true, err
}

func value(ctx context.Context, s *session, query string) (string, bool, error) {
	row, err := s.row(ctx, query)
	if err != nil || row == nil {
		return "", false, err
	}
	for _, v := range row {
		return v, true, nil
	}
	return "", false, errAnswer
}

func lists(ctx context.Context, s *session, op *history.Op) error {
	micros, ok := history.Micros(op.Elements)
	if !ok {
		return errAnswer
	}
	op.Elements = nil
	for _, m := range micros {
		if m.Read {
			text, _, err := value(ctx, s, fmt.Sprintf("SELECT v FROM lists WHERE w = %d AND k = %d", op.Workload, m.Key))
			if err != nil {
				return err
			}
			m.Known = true
			if m.List, err = kit.SplitList(text); err != nil {
				return errAnswer
			}
		} else if err := s.exec(ctx, fmt.Sprintf("INSERT INTO lists (w, k, v) VALUES (%d, %d, '%d') ON DUPLICATE KEY UPDATE v = CONCAT(v, ',%d')",
			op.Workload, m.Key, m.Value, m.Value)); err != nil {
			return err
		}
		op.Elements = history.AppendMicro(op.Elements, m)
	}
	return nil
}

// transfer looks at the balance and then moves the money, between the accounts
// always in the same order.
func transfer(ctx context.Context, s *session, op *history.Op) error {
	from, to := op.Key, uint32(op.Old)
	balance, known, err := number(ctx, s, fmt.Sprintf("SELECT v FROM accounts WHERE w = %d AND k = %d", op.Workload, from))
	switch {
	case err != nil:
		return err
	case !known:
		balance = history.OpeningBalance
	}
	if balance < op.Value {
		return errShort
	}
	for _, key := range []uint32{min(from, to), max(from, to)} {
		by := op.Value
		if key == from {
			by = -by
		}
		if err := s.exec(ctx, fmt.Sprintf("INSERT INTO accounts (w, k, v) VALUES (%d, %d, %d) ON DUPLICATE KEY UPDATE v = v + %d",
			op.Workload, key, history.OpeningBalance+by, by)); err != nil {
			return err
		}
	}
	return nil
}

// balances reads the accounts one by one.
func balances(ctx context.Context, s *session, op *history.Op) error {
	op.Elements = nil
	for key := range op.Key {
		balance, known, err := number(ctx, s, fmt.Sprintf("SELECT v FROM accounts WHERE w = %d AND k = %d", op.Workload, key))
		if err != nil {
			return err
		}
		if !known {
			balance = history.OpeningBalance
		}
		op.Elements = append(op.Elements, balance)
	}
	return nil
}

// add counts a counter up, by one for a unique number, which it reads back.
func add(ctx context.Context, s *session, op *history.Op) error {
	table, by := "registers", op.Value
	if op.Kind == history.Generate {
		table, by = "accounts", 1
	}
	err := s.exec(ctx, fmt.Sprintf("INSERT INTO %s (w, k, v) VALUES (%d, %d, %d) ON DUPLICATE KEY UPDATE v = v + %d", table, op.Workload, op.Key, by, by))
	if err != nil || op.Kind != history.Generate {
		return err
	}
	v, known, err := number(ctx, s, fmt.Sprintf("SELECT v FROM accounts WHERE w = %d AND k = %d", op.Workload, op.Key))
	if err == nil && !known {
		err = errAnswer
	}
	op.Value = v
	return err
}
