package postgres

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/history"
)

// TestPipe has a row for each way in which operations that are under way together
// end: two writes, a read and a compare-and-set.
func TestPipe(t *testing.T) {
	write, read := messages{complete, ready}, messages{row(no, int8s(7)), complete, ready}
	cas := messages{row(int8s(1), int8s(5)), complete, ready}
	for _, test := range []struct {
		name    string
		answers []messages
		hangUp  bool
		want    string
		parsed  []string
	}{
		{"all answered", []messages{write, write, read, cas}, false, "ok ok ok ok", nil},
		{"a standby refuses", []messages{{problem("ERROR", "25006"), ready}, write, read, cas}, false, "fail:not-primary ok ok ok", nil},
		{"in doubt", []messages{write, {complete, warning, ready}, read, cas}, false, "ok unknown:server ok ok", nil},
		{"a comparison failed", []messages{write, write, read, {row(int8s(0), int8s(9)), complete, ready}}, false, "ok ok ok fail:compare", nil},
		{"the server ends in the middle", []messages{write, {problem("FATAL", "57P01")}}, true, "ok unknown:server unknown unknown", nil},
		{"broken after the first", []messages{write}, true, "ok unknown:conn-lost unknown unknown", nil},
		{"broken within an answer", []messages{write, write, {row(no, int8s(7)), complete}}, true, "ok ok unknown:conn-lost unknown", nil},
		{"an odd answer", []messages{write, {row(no, no), complete, ready}, read, cas}, false, "ok unknown:conn-lost unknown unknown", nil},
		{"no answer", []messages{write, write, {}, {}}, false, "ok ok unknown:timeout unknown", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &backend{answers: test.answers, hangUp: test.hangUp}
			near, far := net.Pipe()
			done := make(chan struct{})
			go func() { defer close(done); b.serve(far) }()
			p := newClient(&session{conn: near, front: pgproto3.NewFrontend(near, near)}, 300*time.Millisecond).Pipe(4)
			ops := []history.Op{{Kind: history.Write, Key: 1, Value: 5}, {Kind: history.Write, Key: 2, Value: 6}, {Kind: history.Read, Key: 1}, {Kind: history.CAS, Key: 1, Old: 5, Value: 8}}
			words := make([]string, len(ops))
			flushed := make(chan struct{})
			go func() { // the far end answers while it is written to
				defer close(flushed)
				for i := range ops {
					p.Start(&ops[i], int32(i))
				}
				_, _ = p.Flush()
			}()
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
			<-flushed
			_, _ = p.Close(), far.Close()
			<-done
			for i := range words {
				if words[i] == "" {
					words[i] = "unknown"
				}
			}
			if got := strings.Join(words, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if want := []string{"write", "", "read", "cas"}; test.name == "all answered" && (!slices.Equal(b.parsed, want) || ops[2].Value != 7) {
				t.Errorf("prepared %q, want %q; read %d", b.parsed, want, ops[2].Value)
			}
		})
	}
}

// TestPipePreparesOnce: when the server has prepared a statement, it is used.
func TestPipePreparesOnce(t *testing.T) {
	b := &backend{answers: []messages{{problem("ERROR", "42P01"), ready}, {complete, ready}, {complete, ready}}}
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); b.serve(far) }()
	p := newClient(&session{conn: near, front: pgproto3.NewFrontend(near, near)}, time.Second).Pipe(1)
	for range 3 {
		op := history.Op{Kind: history.Write, Key: 1, Value: 5}
		flushed := make(chan struct{})
		go func() { defer close(flushed); p.Start(&op, 0); _, _ = p.Flush() }()
		if _, ok := p.Receive(nil); !ok {
			t.Fatal("the pipe ended")
		}
		<-flushed
	}
	_, _ = p.Close(), far.Close()
	<-done
	if !slices.Equal(b.parsed, []string{"write"}) {
		t.Errorf("prepared %q, want it once", b.parsed)
	}
}
