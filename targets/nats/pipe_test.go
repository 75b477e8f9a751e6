package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// TestPipe has a row for each way in which operations that are under way together
// end: a write, a read, an element and a message.
func TestPipe(t *testing.T) {
	stored := answer{data: `{"stream":"KV_aftershock","seq":3}`}
	value := answer{data: "7"}
	for _, test := range []struct {
		name   string
		script []answer
		want   string
	}{
		{"all answered", []answer{stored, value, stored, stored}, "ok ok ok ok"},
		{"no answer to the second", []answer{stored, {silent: true}, stored, stored}, "ok unknown:timeout ok ok"},
		{"a missing key", []answer{stored, {header: "NATS/1.0 404 Message Not Found\r\n\r\n"}, stored, stored}, "ok ok ok ok"},
		{"nobody takes it", []answer{{header: "NATS/1.0 503\r\n\r\n"}, {header: "NATS/1.0 503\r\n\r\n"}, stored, stored}, "fail:no-quorum fail:no-quorum ok ok"},
		{"refused", []answer{{data: `{"error":{"code":503,"err_code":10023}}`}, value, stored, stored}, "fail:busy ok ok ok"},
		{"in doubt", []answer{{data: `{"error":{"code":503,"err_code":10077}}`}, {data: "x"}, {data: "{}"}, stored}, "unknown:server fail:server unknown:server ok"},
		{"broken in the middle", []answer{stored, value, {close: true}}, "ok ok unknown unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fake{script: test.script}
			p := connectFake(t, f, newSystem(setting{copies: 3, direct: true, ackWait: time.Second})).(targets.Pipeliner).Pipe(4)
			ops := []history.Op{{Kind: history.Write, Key: 1, Value: 5}, {Kind: history.Read, Key: 1}, {Kind: history.Add, Key: 1, Value: 6}, {Kind: history.Enqueue, Value: 8}}
			words := make([]string, len(ops))
			for i := range ops {
				if !p.Start(&ops[i], int32(i)) {
					t.Fatal("refused")
				}
			}
			if _, err := p.Flush(); err != nil {
				t.Fatal(err)
			}
			tags, more := []int32(nil), true
			for n := 0; more && n < len(ops); n += len(tags) {
				tags, more = p.Receive(tags[:0])
				for _, tag := range tags {
					words[tag] = ops[tag].Outcome.String()
					if ops[tag].Error != history.ErrNone {
						words[tag] += ":" + ops[tag].Error.String()
					}
				}
			}
			for i := range words {
				if words[i] == "" {
					words[i] = "unknown"
				}
			}
			if got := strings.Join(words, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if test.name == "all answered" && ops[1].Value != 7 {
				t.Errorf("read %d", ops[1].Value)
			}
			_ = p.Close()
			if _, more := p.Receive(nil); more {
				t.Error("a closed pipe goes on")
			}
			if p.Start(&ops[0], 0) || ops[0].Outcome != history.Fail {
				t.Error("a closed pipe takes an operation")
			}
		})
	}
}

// TestPipeOfAClosedConnection ends at once.
func TestPipeOfAClosedConnection(t *testing.T) {
	c := connectFake(t, &fake{}, newSystem(setting{copies: 3, ackWait: time.Second})).(*Client)
	c.conn.Close()
	p := c.Pipe(2)
	op := history.Op{Kind: history.Write}
	if p.Start(&op, 0) || op.Outcome != history.Fail {
		t.Errorf("it takes an operation: %v", op.Outcome)
	}
	if _, more := p.Receive(nil); more {
		t.Error("it goes on")
	}
	_ = p.Close()
}

// TestPipeDropsWhatComesTooLate: the answer to an operation that was given up is not
// taken for that of the next with its tag.
func TestPipeDropsWhatComesTooLate(t *testing.T) {
	f := &fake{script: []answer{{silent: true}, {data: "9"}}}
	p := connectFake(t, f, newSystem(setting{copies: 3, direct: true, ackWait: time.Second})).(targets.Pipeliner).Pipe(1)
	for _, want := range []history.Outcome{history.Unknown, history.OK} {
		op := history.Op{Kind: history.Read, Key: 1}
		p.Start(&op, 0)
		_, _ = p.Flush()
		if _, ok := p.Receive(nil); !ok || op.Outcome != want {
			t.Errorf("%v, want %v", op.Outcome, want)
		}
	}
	f.mu.Lock()
	if len(f.subjects) != 2 {
		t.Errorf("%d requests", len(f.subjects))
	}
	f.mu.Unlock()
	for _, kind := range []history.Kind{history.CAS, history.Dequeue, history.ReadSet} {
		op := history.Op{Kind: kind}
		if p.Start(&op, 0) || op.Outcome != history.Fail {
			t.Errorf("%s is %v", kind, op.Outcome)
		}
	}
}
