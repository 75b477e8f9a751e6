package postgres

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/history"
)

// backend answers each Sync of a client with the next of the answers; after
// the last the connection is closed, if hangUp is set.
type backend struct {
	answers [][]pgproto3.BackendMessage
	hangUp  bool
	parsed  []string // names of the statements that were prepared
	bound   [][]int64
}

func (b *backend) serve(conn net.Conn) {
	server := pgproto3.NewBackend(conn, conn)
	for next := 0; ; {
		message, err := server.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.Parse:
			b.parsed = append(b.parsed, m.Name)
			server.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			var values []int64
			for _, p := range m.Parameters {
				values = append(values, int64(binary.BigEndian.Uint64(p)))
			}
			b.bound = append(b.bound, values)
			server.Send(&pgproto3.BindComplete{})
		case *pgproto3.Sync:
			if next < len(b.answers) {
				for _, a := range b.answers[next] {
					server.Send(a)
				}
				next++
			}
			if server.Flush() != nil {
				return
			}
			if b.hangUp && next == len(b.answers) {
				_ = conn.Close()
				return
			}
		}
	}
}

// connected is a client of b; wait ends both.
func connected(b *backend) (c *Client, wait func()) {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); b.serve(far) }()
	c = newClient(&session{conn: near, front: pgproto3.NewFrontend(near, near)}, 100*time.Millisecond)
	return c, func() {
		_ = c.Close()
		_ = far.Close()
		<-done
	}
}

func int8s(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

func array(values ...int64) []byte {
	b := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, int8OID}
	if len(values) == 0 {
		b[3] = 0
		return b
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	b = append(b, 0, 0, 0, 1)
	for _, v := range values {
		b = append(append(b, 0, 0, 0, 8), int8s(v)...)
	}
	return b
}

func row(values ...[]byte) pgproto3.BackendMessage { return &pgproto3.DataRow{Values: values} }

func problem(severity, code string) pgproto3.BackendMessage {
	return &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: "text"}
}

var (
	complete = &pgproto3.CommandComplete{CommandTag: []byte("OK 1")}
	ready    = &pgproto3.ReadyForQuery{TxStatus: 'I'}
	inside   = &pgproto3.ReadyForQuery{TxStatus: 'T'}
	warning  = &pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000"}
	notice   = &pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: "00000"}
	no, yes  = []byte{0}, []byte{1}
)

type messages = []pgproto3.BackendMessage

// TestDo has a row for each way in which an operation ends.
func TestDo(t *testing.T) {
	write := history.Op{Kind: history.Write, Key: 3, Value: 5}
	read := history.Op{Kind: history.Read, Key: 3}
	fromPrimary := history.Op{Kind: history.Read, Key: 3, Flags: history.FromPrimary}
	cas := history.Op{Kind: history.CAS, Key: 3, Old: 4, Value: 5}
	readSet := history.Op{Kind: history.ReadSet}
	for _, c := range []struct {
		name    string
		op      history.Op
		answers messages
		outcome history.Outcome
		err     history.Error
		broken  bool
	}{
		{"a write", write, messages{complete, ready}, history.OK, history.ErrNone, false},
		{"a write with a notice", write, messages{notice, complete, ready}, history.OK, history.ErrNone, false},
		{"its wait for the standbys was given up", write, messages{complete, warning, ready}, history.Unknown, history.ErrServer, false},
		{"a warning during a read", read, messages{warning, row(no, int8s(1)), complete, ready}, history.OK, history.ErrNone, false},
		{"a standby refuses", write, messages{problem("ERROR", "25006"), ready}, history.Fail, history.ErrNotPrimary, false},
		{"the commit itself fails", write, messages{complete, problem("ERROR", "40001"), ready}, history.Fail, history.ErrServer, false},
		{"cancelled", write, messages{problem("ERROR", "57014"), ready}, history.Unknown, history.ErrServer, false},
		{"shut down", write, messages{problem("FATAL", "57P01")}, history.Unknown, history.ErrServer, true},
		{"shut down with a code of the table", write, messages{problem("FATAL", "25006")}, history.Unknown, history.ErrServer, true},
		{"still in a transaction", write, messages{complete, inside}, history.Unknown, history.ErrConnLost, true},
		{"no command was completed", write, messages{ready}, history.Unknown, history.ErrConnLost, true},
		{"a read without a row", read, messages{complete, ready}, history.Unknown, history.ErrConnLost, true},
		{"a write with a row", write, messages{row(no, no), complete, ready}, history.Unknown, history.ErrConnLost, true},
		{"an odd row", read, messages{row(no), complete, ready}, history.Unknown, history.ErrConnLost, true},
		{"an odd value", read, messages{row(no, []byte{1, 2}), complete, ready}, history.Unknown, history.ErrConnLost, true},
		{"a standby is read", read, messages{row(yes, int8s(1)), complete, ready}, history.OK, history.ErrNone, false},
		{"a standby taken for the primary", fromPrimary, messages{row(yes, int8s(1)), complete, ready}, history.Fail, history.ErrNotPrimary, false},
		{"the primary is read", fromPrimary, messages{row(no, int8s(1)), complete, ready}, history.OK, history.ErrNone, false},
		{"swapped", cas, messages{row(int8s(1), int8s(4)), complete, ready}, history.OK, history.ErrNone, false},
		{"not swapped", cas, messages{row(int8s(0), int8s(9)), complete, ready}, history.Fail, history.ErrCompare, false},
		{"two swapped", cas, messages{row(int8s(2), int8s(9)), complete, ready}, history.Unknown, history.ErrConnLost, true},
		{"swapped, and the wait was given up", cas, messages{row(int8s(1), int8s(4)), complete, warning, ready}, history.Unknown, history.ErrServer, false},
		{"a set", readSet, messages{row(no, array(7)), complete, ready}, history.OK, history.ErrNone, false},
		{"queues are for others", history.Op{Kind: history.Enqueue}, nil, history.Fail, history.ErrServer, false},
	} {
		client, wait := connected(&backend{answers: [][]pgproto3.BackendMessage{c.answers}})
		op := c.op
		client.Do(t.Context(), &op)
		if op.Outcome != c.outcome || op.Error != c.err || client.Broken() != c.broken {
			t.Errorf("%s: %v %v broken %v", c.name, op.Outcome, op.Error, client.Broken())
		}
		wait()
	}
}

// TestPooled: behind a pool that changes servers under prepared statements, a
// client goes on without them.
func TestPooled(t *testing.T) {
	for _, code := range []string{noStatement, knownStatement} {
		b := &backend{answers: []messages{{complete, ready}, {problem("ERROR", code), ready}, {complete, ready}, {complete, ready}}}
		client, wait := connected(b)
		for i, want := range []history.Outcome{history.OK, history.Fail, history.OK, history.OK} {
			op := history.Op{Kind: history.Write, Key: 1, Value: int64(i)}
			if client.Do(t.Context(), &op); op.Outcome != want {
				t.Errorf("%s: operation %d: %v", code, i, op.Outcome)
			}
		}
		wait()
		if want := []string{"write", "", ""}; !slices.Equal(b.parsed, want) {
			t.Errorf("%s: prepared %q, want %q", code, b.parsed, want)
		}
	}
}

// TestConnectionEnds proves that a write counts only with ReadyForQuery: the
// commit comes after CommandComplete.
func TestConnectionEnds(t *testing.T) {
	client, wait := connected(&backend{answers: [][]pgproto3.BackendMessage{{complete}}, hangUp: true})
	defer wait()
	op := history.Op{Kind: history.Write}
	client.Do(t.Context(), &op)
	if op.Outcome != history.Unknown || op.Error != history.ErrConnLost || !client.Broken() {
		t.Errorf("%v %v broken %v", op.Outcome, op.Error, client.Broken())
	}
	client.Do(t.Context(), &op)
	if op.Outcome != history.Fail || op.Error != history.ErrConnect {
		t.Errorf("on a broken connection: %v %v", op.Outcome, op.Error)
	}
}

func TestTimeout(t *testing.T) {
	client, wait := connected(&backend{answers: [][]pgproto3.BackendMessage{{complete}}})
	defer wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	op := history.Op{Kind: history.Write}
	start := time.Now()
	client.Do(ctx, &op)
	if op.Outcome != history.Unknown || op.Error != history.ErrTimeout || !client.Broken() {
		t.Errorf("%v %v broken %v", op.Outcome, op.Error, client.Broken())
	}
	if d := time.Since(start); d > 90*time.Millisecond {
		t.Errorf("the context's deadline was passed: %v", d)
	}
}

func TestResults(t *testing.T) {
	b := &backend{answers: [][]pgproto3.BackendMessage{
		{row(no, nil), complete, ready},
		{row(no, int8s(-7)), complete, ready},
		{row(no, array(3, -1)), complete, ready},
		{row(no, array()), complete, ready},
		{row(int8s(0), int8s(9)), complete, ready},
		{row(int8s(0), nil), complete, ready},
		{row(int8s(0), int8s(4)), complete, ready}, // what it held before does not explain why it failed
	}}
	client, wait := connected(b)
	do := func(op history.Op) history.Op { client.Do(t.Context(), &op); return op }
	if op := do(history.Op{Kind: history.Read, Workload: 1, Key: 2}); op.Outcome != history.OK || op.Value != history.Nil {
		t.Errorf("a missing key: %+v", op)
	}
	if op := do(history.Op{Kind: history.Poll}); op.Value != -7 {
		t.Errorf("poll: %+v", op)
	}
	set := history.Op{Kind: history.ReadSet, Elements: []int64{99}}
	if op := do(set); !slices.Equal(op.Elements, []int64{3, -1}) {
		t.Errorf("set: %+v", op)
	}
	if op := do(set); op.Outcome != history.OK || len(op.Elements) != 0 {
		t.Errorf("empty set: %+v", op)
	}
	cas := history.Op{Kind: history.CAS, Workload: 1, Key: 2, Old: 4, Value: 5}
	if op := do(cas); op.Flags&history.Seen == 0 || op.Observed != 9 {
		t.Errorf("%+v", op)
	}
	if op := do(cas); op.Flags&history.Seen == 0 || op.Observed != history.Nil {
		t.Errorf("a missing key: %+v", op)
	}
	if op := do(cas); op.Flags&history.Seen != 0 || op.Error != history.ErrCompare {
		t.Errorf("a comparison that failed later: %+v", op)
	}
	wait()
	if want := []string{"read", "poll", "readset", "cas"}; !slices.Equal(b.parsed, want) {
		t.Errorf("prepared %v, want %v: each statement once", b.parsed, want)
	}
	if got := b.bound[len(b.bound)-1]; !slices.Equal(got, []int64{1, 2, 4, 5}) {
		t.Errorf("cas has the parameters %v", got)
	}
	if !slices.Equal(b.bound[0], []int64{1, 2}) {
		t.Errorf("read has the parameters %v", b.bound[0])
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		severity, code string
		outcome        history.Outcome
		err            history.Error
	}{
		{"ERROR", "25006", history.Fail, history.ErrNotPrimary},
		{"ERROR", "26000", history.Fail, history.ErrServer},
		{"ERROR", "42P05", history.Fail, history.ErrServer},
		{"ERROR", "40001", history.Fail, history.ErrServer},
		{"ERROR", "40P01", history.Fail, history.ErrServer},
		{"ERROR", "42P01", history.Fail, history.ErrGone},
		{"ERROR", "42501", history.Fail, history.ErrServer},
		{"ERROR", "53200", history.Fail, history.ErrBusy},
		{"ERROR", "55P03", history.Fail, history.ErrBusy},
		{"ERROR", "57014", history.Unknown, history.ErrServer},
		{"ERROR", "XX000", history.Unknown, history.ErrServer},
		{"ERROR", "53100", history.Unknown, history.ErrServer},
		{"ERROR", "", history.Unknown, history.ErrServer},
		{"FATAL", "57P01", history.Unknown, history.ErrServer},
		{"FATAL", "57P02", history.Unknown, history.ErrServer},
		{"FATAL", "57P03", history.Unknown, history.ErrServer},
		{"FATAL", "53300", history.Unknown, history.ErrServer},
		{"FATAL", "40001", history.Unknown, history.ErrServer},
		{"PANIC", "25006", history.Unknown, history.ErrServer},
		{"", "25006", history.Unknown, history.ErrServer},
	} {
		e := problem(c.severity, c.code).(*pgproto3.ErrorResponse)
		if outcome, err := classify(e); outcome != c.outcome || err != c.err {
			t.Errorf("%s %s: %v %v", c.severity, c.code, outcome, err)
		}
	}
	for code := range refusals {
		if outcome, _ := classify(problem("ERROR", code).(*pgproto3.ErrorResponse)); outcome != history.Fail {
			t.Errorf("%s is in the table and is %v", code, outcome)
		}
	}
}

func FuzzArray(f *testing.F) {
	f.Add(array(1, 2, 3))
	f.Add(array())
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := appendArray(nil, nil, data)
		if err == nil && len(values) > 0 && !slices.Equal(array(values...)[20:], data[20:]) {
			t.Fatalf("%x reads as %v", data, values)
		}
	})
}
