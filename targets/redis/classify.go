package redis

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// refusals is the table of the errors that prove that nothing happened, by
// their first word. The server gives all but WRONGTYPE before it executes a
// command (rejectCommand in its processCommand), and before a script (its
// scriptPrepareForRun) or before the script's first write (its
// scriptVerifyWriteCommandAllow); WRONGTYPE is a command's own first check.
// What is not here stays unknown: UNBLOCKED ends a WAIT whose write has been
// executed, EXECABORT and ERR say many things.
var refusals = []struct {
	word string
	err  history.Error
}{
	{"READONLY", history.ErrNotPrimary},   // a replica takes no writes
	{"MASTERDOWN", history.ErrNotPrimary}, // a replica without its primary, replica-serve-stale-data no
	{"NOREPLICAS", history.ErrNoQuorum},   // min-replicas-to-write
	{"CLUSTERDOWN", history.ErrNoQuorum},
	{"LOADING", history.ErrBusy}, // the server reads its data from the disk or from its primary
	{"BUSY", history.ErrBusy},    // a script or a module holds the server
	{"OOM", history.ErrServer},   // maxmemory
	{"MISCONF", history.ErrServer},
	{"NOAUTH", history.ErrServer},
	{"NOPERM", history.ErrServer},
	{"WRONGTYPE", history.ErrServer},
}

// classify tells what a server's error says of the operation. Every error that
// is not in the table leaves it unknown.
func classify(text string) (history.Outcome, history.Error) {
	word, _, _ := strings.Cut(text, " ")
	for _, r := range refusals {
		if word == r.word {
			return history.Fail, r.err
		}
	}
	return history.Unknown, history.ErrServer
}
