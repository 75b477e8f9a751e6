package mariadb

import (
	"context"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/aftershock-chaos/aftershock/history"
)

// refusals is the table of the errors that prove that a statement, which is a
// transaction of its own here, did not take effect.
var refusals = map[uint16]history.Error{
	1290: history.ErrNotPrimary, // ER_OPTION_PREVENTS_STATEMENT: read_only; before it, or at the commit, which is rolled back
	1836: history.ErrNotPrimary, // ER_READ_ONLY_MODE
	1205: history.ErrBusy,       // ER_LOCK_WAIT_TIMEOUT: the statement is rolled back
	1213: history.ErrBusy,       // ER_LOCK_DEADLOCK: rolled back; in Galera: certification failed, which is so on every node
	1020: history.ErrBusy,       // ER_CHECKREAD: innodb_snapshot_isolation; rolled back
	1040: history.ErrBusy,       // ER_CON_COUNT_ERROR: no connection
	1203: history.ErrBusy,       // ER_TOO_MANY_USER_CONNECTIONS: no connection
	1047: history.ErrNoQuorum,   // ER_UNKNOWN_COM_ERROR: "WSREP has not yet prepared node for application use", refused before it runs
	1044: history.ErrServer,     // ER_DBACCESS_DENIED_ERROR
	1045: history.ErrServer,     // ER_ACCESS_DENIED_ERROR
	1142: history.ErrServer,     // ER_TABLEACCESS_DENIED_ERROR
	1049: history.ErrGone,       // ER_BAD_DB_ERROR
	1146: history.ErrGone,       // ER_NO_SUCH_TABLE
	1064: history.ErrServer,     // ER_PARSE_ERROR
}

// Not in the table, and so unknown, are among others: 1053 (shutdown in
// progress), 1180 (error during commit: Galera may have sent the write set
// before the node lost its cluster), 1317 (interrupted), 1927 (connection
// killed), 2006 and 2013 (connection lost): each can come when the binary log
// or the cluster has the transaction already.

// classify tells what an error of a call says of the operation, and whether
// the connection can be used again.
func classify(err error) (outcome history.Outcome, why history.Error, broken bool) {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		if why, ok := refusals[answer.Number]; ok {
			return history.Fail, why, false
		}
		return history.Unknown, history.ErrServer, true
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return history.Unknown, history.ErrTimeout, true
	}
	return history.Unknown, history.ErrConnLost, true
}
