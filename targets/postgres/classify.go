package postgres

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/history"
)

const (
	noStatement    = "26000" // invalid_sql_statement_name
	knownStatement = "42P05" // duplicate_prepared_statement
)

// refusals is the table of the errors that prove that nothing happened, by
// SQLSTATE. Each aborts the statement's own transaction before it commits.
var refusals = map[string]history.Error{
	// Of prepared statements: the server has none of that name, or has one already.
	noStatement:    history.ErrServer,
	knownStatement: history.ErrServer,

	"25006": history.ErrNotPrimary, // read_only_sql_transaction: a write on a standby
	"40001": history.ErrServer,     // serialization_failure; on a standby: a conflict with recovery
	"40P01": history.ErrServer,     // deadlock_detected
	"42P01": history.ErrGone,       // undefined_table
	"42501": history.ErrServer,     // insufficient_privilege
	"53200": history.ErrBusy,       // out_of_memory
	"55P03": history.ErrBusy,       // lock_not_available
}

// classify tells what a server's error says of the operation. Every error that
// is not in the table leaves it unknown: a cancelled statement (57014) may have
// been a commit already, and a connection that is ended (57P01, 57P02) too. So
// does every error that is worse than the statement's own.
func classify(e *pgproto3.ErrorResponse) (history.Outcome, history.Error) {
	return classifyCode(e.SeverityUnlocalized, e.Code)
}

func classifyCode(severity, code string) (history.Outcome, history.Error) {
	if severity == "ERROR" {
		if why, ok := refusals[code]; ok {
			return history.Fail, why
		}
	}
	return history.Unknown, history.ErrServer
}

// doubtful tells whether a notice takes the meaning from an acknowledgement: a
// commit whose wait for the standbys was given up is acknowledged all the same,
// with a warning ("canceling wait for synchronous replication due to user
// request … might not have been replicated", 01000). No other warning is
// expected of the statements here, so every one counts.
func doubtful(n *pgproto3.NoticeResponse) bool { return n.SeverityUnlocalized == "WARNING" }
