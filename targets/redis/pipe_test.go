package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// TestPipe has a row for each way in which operations that are under way together
// end: a write, a read that only a primary is to answer, a compare-and-set, an
// increment and a write.
func TestPipe(t *testing.T) {
	const ok, queued = "+OK\r\n", "+QUEUED\r\n"
	const master = "*2\r\n*3\r\n$6\r\nmaster\r\n:9\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\n0\r\n"
	const slave = "*2\r\n*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:9\r\n"
	type answers = map[string][]string
	sound := func() answers {
		return answers{"SET": {ok}, "MULTI": {ok}, "ROLE": {queued}, "GET": {queued}, "EXEC": {master + "$1\r\n7\r\n"}, "EVAL": {":1\r\n"}, "INCRBY": {":3\r\n"}, "WAIT": {":1\r\n"}}
	}
	for _, test := range []struct {
		name, command string
		answers       []string
		wait          int
		want          string
	}{
		{"all answered", "SET", []string{ok}, 0, "ok ok ok ok ok"},
		{"all confirmed", "WAIT", []string{":1\r\n"}, 1, "ok ok ok ok ok"},
		{"a write refused", "SET", []string{"-READONLY x\r\n", ok}, 0, "fail:not-primary ok ok ok ok"},
		{"a write refused, with WAIT", "SET", []string{"-READONLY x\r\n", ok}, 1, "fail:not-primary ok ok ok ok"},
		{"a write in doubt", "SET", []string{"-ERR x\r\n", ok}, 0, "unknown:server ok ok ok ok"},
		{"too few confirm", "WAIT", []string{":0\r\n", ":1\r\n"}, 1, "unknown:no-quorum ok ok ok ok"},
		{"the wait is broken off", "WAIT", []string{"-UNBLOCKED x\r\n", ":1\r\n"}, 1, "unknown:server ok ok ok ok"},
		{"a replica taken for the primary", "EXEC", []string{slave + "$1\r\n7\r\n"}, 0, "ok fail:not-primary ok ok ok"},
		{"of another type", "EXEC", []string{master + "-WRONGTYPE x\r\n"}, 0, "ok fail:server ok ok ok"},
		{"the read is not queued", "GET", []string{"-LOADING x\r\n"}, 0, "ok fail:busy ok ok ok"},
		{"a comparison failed", "EVAL", []string{"*2\r\n:0\r\n$1\r\n9\r\n"}, 1, "ok ok fail:compare ok ok"},
		{"of a missing key", "EVAL", []string{"*2\r\n:0\r\n$-1\r\n"}, 0, "ok ok fail:compare ok ok"},
		{"an odd answer", "EVAL", []string{"*3\r\n"}, 0, "ok ok unknown:conn-lost unknown unknown"},
		{"a text for a number", "INCRBY", []string{ok}, 0, "ok ok ok unknown:conn-lost unknown"},
		{"no RESP", "EVAL", []string{"?\r\n"}, 0, "ok ok unknown:conn-lost unknown unknown"},
		{"no answer", "EXEC", []string{silent}, 0, "ok unknown:conn-lost unknown unknown unknown"},
		{"no last answer", "SET", []string{ok, silent}, 0, "ok ok ok ok unknown:timeout"},
		{"no last confirmation", "WAIT", []string{":1\r\n", ":1\r\n", ":1\r\n", silent}, 1, "ok ok ok ok unknown:timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			table := sound()
			table[test.command] = test.answers
			s := &servers{settings: settings{wait: test.wait, waitTimeout: time.Second}}
			p := s.newClient(fake(t, table), 200*time.Millisecond).Pipe(5)
			defer func() { _ = p.Close() }()
			ops := []history.Op{{Kind: history.Write, Key: 1, Value: 5}, {Kind: history.Read, Key: 1, Flags: history.FromPrimary},
				{Kind: history.CAS, Key: 1, Old: 5, Value: 6}, {Kind: history.Increment, Key: 4, Value: 2}, {Kind: history.Write, Key: 2, Value: 8}}
			for i := range ops {
				if !p.Start(&ops[i], int32(i)) {
					t.Fatal("refused")
				}
			}
			if unsent, err := p.Flush(); unsent > 0 || err != nil {
				t.Fatal(unsent, err)
			}
			told, tags, more := make([]bool, len(ops)), []int32(nil), true
			for n := 0; more && n < len(ops); n += len(tags) {
				tags, more = p.Receive(tags[:0])
				for _, tag := range tags {
					told[tag] = true
				}
			}
			var words []string
			for i, op := range ops {
				word := "unknown"
				if told[i] {
					word = op.Outcome.String()
				}
				if told[i] && op.Error != history.ErrNone {
					word += ":" + op.Error.String()
				}
				words = append(words, word)
			}
			if got := strings.Join(words, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if told[1] && ops[1].Outcome == history.OK && ops[1].Value != 7 {
				t.Errorf("read %d", ops[1].Value)
			}
			if test.name == "a comparison failed" && ops[2].Observed != 9 {
				t.Errorf("observed %d", ops[2].Observed)
			}
		})
	}
}

// TestPipeRefuses what is more than one request.
func TestPipeRefuses(t *testing.T) {
	p := (&servers{}).newClient(fake(t, nil), time.Second).Pipe(1)
	for _, kind := range []history.Kind{history.Dequeue, history.Drain, history.Txn, history.Transfer} {
		op := history.Op{Kind: kind}
		if p.Start(&op, 0) || op.Outcome != history.Fail {
			t.Errorf("%s is %v", kind, op.Outcome)
		}
	}
	_ = p.Close()
}
