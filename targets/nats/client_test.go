package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/history"
)

// api is an error of the JetStream API as it is sent.
func api(code jetstream.ErrorCode) string {
	return fmt.Sprintf(`{"type":"x","error":{"code":400,"err_code":%d,"description":"no"},"stream":"KV_aftershock","seq":0}`, code)
}

func status(code string) string { return "NATS/1.0 " + code + "\r\n\r\n" }

// stored is the answer to a get from the leader; data is "41" in base64.
const stored = `{"type":"x","message":{"subject":"s","seq":7,"data":"NDE=","time":"2026-01-01T00:00:00Z"}}`

const confirmed = `{"stream":"KV_aftershock","seq":8}`

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err     error
		outcome history.Outcome
		why     history.Error
	}{
		{nil, history.OK, history.ErrNone},
		{driver.ErrNoResponders, history.Fail, history.ErrNoQuorum},
		{jetstream.ErrNoStreamResponse, history.Fail, history.ErrNoQuorum},
		{&jetstream.APIError{ErrorCode: 10008}, history.Fail, history.ErrNoQuorum},
		{&jetstream.APIError{ErrorCode: 10023}, history.Fail, history.ErrBusy},
		{&jetstream.APIError{ErrorCode: 10054}, history.Fail, history.ErrServer},
		{fmt.Errorf("nats: %w", &jetstream.APIError{ErrorCode: 10071}), history.Fail, history.ErrCompare},
		{&jetstream.APIError{ErrorCode: 10164}, history.Fail, history.ErrCompare},
		{&jetstream.APIError{ErrorCode: 10077}, history.Unknown, history.ErrServer},
		{&jetstream.APIError{ErrorCode: 10002}, history.Unknown, history.ErrServer},
		{&jetstream.APIError{Code: 500}, history.Unknown, history.ErrServer},
		{context.DeadlineExceeded, history.Unknown, history.ErrTimeout},
		{context.Canceled, history.Unknown, history.ErrTimeout},
		{driver.ErrTimeout, history.Unknown, history.ErrTimeout},
		{driver.ErrConnectionClosed, history.Unknown, history.ErrConnLost},
		{driver.ErrDisconnected, history.Unknown, history.ErrConnLost},
		{driver.ErrStaleConnection, history.Unknown, history.ErrConnLost},
		{jetstream.ErrInvalidJSAck, history.Unknown, history.ErrServer},
		{errors.New("anything"), history.Unknown, history.ErrServer},
	} {
		if outcome, why := classify(c.err); outcome != c.outcome || why != c.why {
			t.Errorf("%v: %v %v, want %v %v", c.err, outcome, why, c.outcome, c.why)
		}
	}
	if outcome, why := classifyRead(errAnswer); outcome != history.Fail || why != history.ErrServer {
		t.Errorf("a read's answer that is no value: %v %v", outcome, why)
	}
}

func TestStores(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    history.Kind
		answer  answer
		outcome history.Outcome
		why     history.Error
		subject string
	}{
		{"write", history.Write, answer{data: confirmed}, history.OK, history.ErrNone, "$KV.aftershock.r0.0"},
		{"mark", history.Mark, answer{data: confirmed}, history.OK, history.ErrNone, "$KV.aftershock.m0.0"},
		{"add", history.Add, answer{data: confirmed}, history.OK, history.ErrNone, "$KV.aftershock.s0.0.5"},
		{"enqueue", history.Enqueue, answer{data: confirmed}, history.OK, history.ErrNone, "queue.q0.0"},
		{"no leader", history.Write, answer{header: status("503")}, history.Fail, history.ErrNoQuorum, "$KV.aftershock.r0.0"},
		{"no room", history.Enqueue, answer{data: api(10023)}, history.Fail, history.ErrBusy, "queue.q0.0"},
		{"not stored", history.Write, answer{data: api(10077)}, history.Unknown, history.ErrServer, "$KV.aftershock.r0.0"},
		{"no stream named", history.Write, answer{data: `{}`}, history.Unknown, history.ErrServer, "$KV.aftershock.r0.0"},
		{"not understood", history.Write, answer{data: `seven`}, history.Unknown, history.ErrServer, "$KV.aftershock.r0.0"},
		{"no answer", history.Write, answer{silent: true}, history.Unknown, history.ErrTimeout, "$KV.aftershock.r0.0"},
		{"lost", history.Enqueue, answer{close: true}, history.Unknown, history.ErrConnLost, "queue.q0.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, f, client := do(t, true, []answer{c.answer}, history.Op{Kind: c.kind, Value: 5})
			if op.Outcome != c.outcome || op.Error != c.why || !slices.Equal(f.subjects, []string{c.subject}) {
				t.Errorf("%v %v, sent to %v: one attempt is made", op.Outcome, op.Error, f.subjects)
			}
			if client.Broken() != (c.why == history.ErrConnLost) {
				t.Errorf("broken %v", client.Broken())
			}
		})
	}
}

func TestBrokenConnectionSendsNothing(t *testing.T) {
	_, _, c := do(t, true, []answer{{close: true}}, history.Op{Kind: history.Write})
	op := history.Op{Kind: history.Write}
	if c.Do(t.Context(), &op); op.Outcome != history.Fail || op.Error != history.ErrConnect {
		t.Errorf("%v %v", op.Outcome, op.Error)
	}
}

func TestReads(t *testing.T) {
	for _, c := range []struct {
		name    string
		direct  bool
		answer  answer
		outcome history.Outcome
		why     history.Error
		value   int64
	}{
		{"direct", true, answer{header: "NATS/1.0\r\nNats-Sequence: 7\r\n\r\n", data: "41"}, history.OK, history.ErrNone, 41},
		{"direct, none", true, answer{header: status("404 Message Not Found")}, history.OK, history.ErrNone, history.Nil},
		{"direct, refused", true, answer{header: status("408 Bad Request")}, history.Fail, history.ErrServer, 0},
		{"direct, no replica", true, answer{header: status("503")}, history.Fail, history.ErrNoQuorum, 0},
		{"direct, no number", true, answer{data: "x"}, history.Fail, history.ErrServer, 0},
		{"direct, silent", true, answer{silent: true}, history.Unknown, history.ErrTimeout, 0},
		{"leader", false, answer{data: stored}, history.OK, history.ErrNone, 41},
		{"leader, none", false, answer{data: api(10037)}, history.OK, history.ErrNone, history.Nil},
		{"leader, leaderless", false, answer{data: api(10008)}, history.Fail, history.ErrNoQuorum, 0},
		{"leader, no stream", false, answer{data: api(10059)}, history.Fail, history.ErrGone, 0},
		{"leader, empty", false, answer{data: `{}`}, history.Fail, history.ErrServer, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kind := range []history.Kind{history.Read, history.Poll} {
				op, _, _ := do(t, c.direct, []answer{c.answer}, history.Op{Kind: kind})
				if op.Outcome != c.outcome || op.Error != c.why || op.Value != c.value {
					t.Errorf("%v: %v %v %d", kind, op.Outcome, op.Error, op.Value)
				}
			}
		})
	}
}

func TestCompareAndSet(t *testing.T) {
	for _, c := range []struct {
		name    string
		old     int64
		script  []answer
		outcome history.Outcome
		why     history.Error
		seen    bool
		sent    int
	}{
		{"set", 41, []answer{{data: stored}, {data: confirmed}}, history.OK, history.ErrNone, false, 2},
		{"other value", 40, []answer{{data: stored}}, history.Fail, history.ErrCompare, true, 1},
		{"changed meanwhile", 41, []answer{{data: stored}, {data: api(10071)}}, history.Fail, history.ErrCompare, false, 2},
		{"another in flight", 41, []answer{{data: stored}, {data: api(10164)}}, history.Fail, history.ErrCompare, false, 2},
		{"unconfirmed", 41, []answer{{data: stored}, {silent: true}}, history.Unknown, history.ErrTimeout, false, 2},
		{"not read", 41, []answer{{silent: true}}, history.Fail, history.ErrTimeout, false, 1},
		{"no leader", 41, []answer{{header: status("503")}}, history.Fail, history.ErrNoQuorum, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, f, _ := do(t, true, c.script, history.Op{Kind: history.CAS, Old: c.old, Value: 42})
			if op.Outcome != c.outcome || op.Error != c.why || (op.Flags&history.Seen != 0) != c.seen || len(f.subjects) != c.sent {
				t.Errorf("%v %v seen %v, sent %v", op.Outcome, op.Error, op.Flags&history.Seen != 0, f.subjects)
			}
			if c.seen && op.Observed != 41 {
				t.Errorf("observed %d", op.Observed)
			}
			if want := "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 7\r\n\r\n42"; c.sent == 2 && f.bodies[1] != want {
				t.Errorf("sent %q", f.bodies[1])
			}
		})
	}
}
