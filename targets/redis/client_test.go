package redis

import (
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestClassify(t *testing.T) {
	for text, want := range map[string]struct {
		outcome history.Outcome
		err     history.Error
	}{
		"READONLY You can't write against a read only replica.":                                        {history.Fail, history.ErrNotPrimary},
		"READONLY Can not run script with write flag on readonly replica":                              {history.Fail, history.ErrNotPrimary},
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":             {history.Fail, history.ErrNotPrimary},
		"NOREPLICAS Not enough good replicas to write.":                                                {history.Fail, history.ErrNoQuorum},
		"CLUSTERDOWN The cluster is down":                                                              {history.Fail, history.ErrNoQuorum},
		"LOADING Redis is loading the dataset in memory":                                               {history.Fail, history.ErrBusy},
		"BUSY Redis is busy running a script.":                                                         {history.Fail, history.ErrBusy},
		"OOM command not allowed when used memory > 'maxmemory'.":                                      {history.Fail, history.ErrServer},
		"MISCONF Errors writing to the AOF file: No space left on device":                              {history.Fail, history.ErrServer},
		"NOAUTH Authentication required.":                                                              {history.Fail, history.ErrServer},
		"NOPERM this user has no permissions to run the 'set' command":                                 {history.Fail, history.ErrServer},
		"WRONGTYPE Operation against a key holding the wrong kind of value":                            {history.Fail, history.ErrServer},
		"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": {history.Unknown, history.ErrServer},
		"EXECABORT Transaction discarded because of previous errors.":                                  {history.Unknown, history.ErrServer},
		"ERR max number of clients reached":                                                            {history.Unknown, history.ErrServer},
		"BUSYKEY Target key name already exists.":                                                      {history.Unknown, history.ErrServer},
		"READONLYISH": {history.Unknown, history.ErrServer},
		"":            {history.Unknown, history.ErrServer},
	} {
		if outcome, err := classify(text); outcome != want.outcome || err != want.err {
			t.Errorf("%q: %v %v", text, outcome, err)
		}
	}
}

const (
	ok       = "+OK\r\n"
	queued   = "+QUEUED\r\n"
	readonly = "-READONLY You can't write against a read only replica.\r\n"
	master   = "*3\r\n$6\r\nmaster\r\n:9\r\n*0\r\n"
	slave    = "*5\r\n$5\r\nslave\r\n$4\r\n10.1\r\n:6379\r\n$9\r\nconnected\r\n:9\r\n"
)

// answers is the far end's table.
type answers = map[string][]string

// TestOutcomes holds every way in which a call can end.
func TestOutcomes(t *testing.T) {
	none := history.ErrNone
	for _, c := range []struct {
		name    string
		op      history.Op
		wait    int
		answers answers
		outcome history.Outcome
		err     history.Error
		broken  bool
	}{
		{"set", history.Op{Kind: history.Write, Value: 1}, 0, answers{"SET": {ok}}, history.OK, none, false},
		{"set refused", history.Op{Kind: history.Write}, 0, answers{"SET": {readonly}}, history.Fail, history.ErrNotPrimary, false},
		{"set, an error of no proof", history.Op{Kind: history.Write}, 0, answers{"SET": {"-ERR x\r\n"}}, history.Unknown, history.ErrServer, false},
		{"set unanswered", history.Op{Kind: history.Write}, 0, answers{"SET": {silent}}, history.Unknown, history.ErrTimeout, true},
		{"set, a strange answer", history.Op{Kind: history.Write}, 0, answers{"SET": {":1\r\n"}}, history.Unknown, history.ErrConnLost, true},
		{"set, garbage", history.Op{Kind: history.Write}, 0, answers{"SET": {"?\r\n"}}, history.Unknown, history.ErrConnLost, true},
		{"set, confirmed", history.Op{Kind: history.Write}, 1, answers{"SET": {ok}, "WAIT": {":2\r\n"}}, history.OK, none, false},
		{"set, too few confirmed", history.Op{Kind: history.Write}, 2, answers{"SET": {ok}, "WAIT": {":1\r\n"}}, history.Unknown, history.ErrNoQuorum, false},
		{"set, wait broken off", history.Op{Kind: history.Write}, 1, answers{"SET": {ok}, "WAIT": {"-UNBLOCKED x\r\n"}}, history.Unknown, history.ErrServer, false},
		{"set, wait refused", history.Op{Kind: history.Write}, 1, answers{"SET": {ok}, "WAIT": {readonly}}, history.Unknown, history.ErrServer, false},
		{"set, wait unanswered", history.Op{Kind: history.Write}, 1, answers{"SET": {ok}, "WAIT": {silent}}, history.Unknown, history.ErrTimeout, true},
		{"set refused, then wait", history.Op{Kind: history.Write}, 1, answers{"SET": {readonly}, "WAIT": {"-ERR WAIT\r\n"}}, history.Fail, history.ErrNotPrimary, false},
		{"set refused, wait unanswered", history.Op{Kind: history.Write}, 1, answers{"SET": {readonly}, "WAIT": {silent}}, history.Fail, history.ErrNotPrimary, true},
		{"mark", history.Op{Kind: history.Mark, Value: 1}, 0, answers{"SET": {ok}}, history.OK, none, false},
		{"add", history.Op{Kind: history.Add, Value: 1}, 0, answers{"SADD": {":1\r\n"}}, history.OK, none, false},
		{"enqueue", history.Op{Kind: history.Enqueue, Value: 1}, 0, answers{"RPUSH": {":1\r\n"}}, history.OK, none, false},
		{"cas", history.Op{Kind: history.CAS, Old: 1, Value: 2}, 0, answers{"EVAL": {":1\r\n"}}, history.OK, none, false},
		{"cas, too few confirmed", history.Op{Kind: history.CAS, Old: 1, Value: 2}, 1, answers{"EVAL": {":1\r\n"}, "WAIT": {":0\r\n"}}, history.Unknown, history.ErrNoQuorum, false},
		{"cas failed", history.Op{Kind: history.CAS, Old: 1, Value: 2}, 1, answers{"EVAL": {"*2\r\n:0\r\n$1\r\n7\r\n"}, "WAIT": {":0\r\n"}}, history.Fail, history.ErrCompare, false},
		{"cas failed, wait unanswered", history.Op{Kind: history.CAS, Old: 1, Value: 2}, 1, answers{"EVAL": {"*2\r\n:0\r\n$1\r\n7\r\n"}, "WAIT": {silent}}, history.Fail, history.ErrCompare, true},
		{"cas, a strange answer", history.Op{Kind: history.CAS, Old: 1, Value: 2}, 0, answers{"EVAL": {":7\r\n"}}, history.Unknown, history.ErrConnLost, true},
		{"cas refused", history.Op{Kind: history.CAS}, 0, answers{"EVAL": {readonly}}, history.Fail, history.ErrNotPrimary, false},
		{"get", history.Op{Kind: history.Read}, 0, answers{"GET": {"$1\r\n7\r\n"}}, history.OK, none, false},
		{"get, no number", history.Op{Kind: history.Read}, 0, answers{"GET": {"$1\r\nx\r\n"}}, history.Unknown, history.ErrConnLost, true},
		{"get loading", history.Op{Kind: history.Poll}, 0, answers{"GET": {"-LOADING x\r\n"}}, history.Fail, history.ErrBusy, false},
		{"get of a primary", history.Op{Kind: history.Read, Flags: history.FromPrimary}, 0,
			answers{"MULTI": {ok}, "ROLE": {queued}, "GET": {queued}, "EXEC": {"*2\r\n" + master + "$1\r\n7\r\n"}}, history.OK, none, false},
		{"get of a replica", history.Op{Kind: history.Read, Flags: history.FromPrimary}, 0,
			answers{"MULTI": {ok}, "ROLE": {queued}, "GET": {queued}, "EXEC": {"*2\r\n" + slave + "$1\r\n7\r\n"}}, history.Fail, history.ErrNotPrimary, false},
		{"get of a primary that loads", history.Op{Kind: history.Read, Flags: history.FromPrimary}, 0,
			answers{"MULTI": {ok}, "ROLE": {queued}, "GET": {"-LOADING x\r\n"}, "EXEC": {"-EXECABORT x\r\n"}}, history.Fail, history.ErrBusy, false},
		{"get of a wrong type", history.Op{Kind: history.Read, Flags: history.FromPrimary}, 0,
			answers{"MULTI": {ok}, "ROLE": {queued}, "GET": {queued}, "EXEC": {"*2\r\n" + master + "-WRONGTYPE x\r\n"}}, history.Fail, history.ErrServer, false},
		{"get, exec unanswered", history.Op{Kind: history.Read, Flags: history.FromPrimary}, 0,
			answers{"MULTI": {ok}, "ROLE": {queued}, "GET": {queued}, "EXEC": {silent}}, history.Unknown, history.ErrTimeout, true},
		{"members", history.Op{Kind: history.ReadSet}, 0, answers{"SMEMBERS": {"*2\r\n$1\r\n7\r\n$1\r\n8\r\n"}}, history.OK, none, false},
		{"members, a hole", history.Op{Kind: history.ReadSet}, 0, answers{"SMEMBERS": {"*1\r\n$-1\r\n"}}, history.Unknown, history.ErrConnLost, true},
		{"dequeue nothing", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {"$-1\r\n"}}, history.OK, none, false},
		{"dequeue refused", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {readonly}}, history.Fail, history.ErrNotPrimary, false},
		{"dequeue unanswered", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {silent}}, history.Unknown, history.ErrTimeout, true},
		{"dequeue", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {"$1\r\n7\r\n"}, "LREM": {":1\r\n"}}, history.OK, none, false},
		{"dequeue, too few confirmed", history.Op{Kind: history.Dequeue}, 1, answers{"LMOVE": {"$1\r\n7\r\n"}, "LREM": {":1\r\n"}, "WAIT": {":0\r\n"}}, history.Unknown, history.ErrNoQuorum, false},
		{"dequeue, acknowledgement refused", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {"$1\r\n7\r\n"}, "LREM": {readonly}}, history.Unknown, history.ErrNotPrimary, false},
		{"dequeue, acknowledgement unanswered", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {"$1\r\n7\r\n"}, "LREM": {silent}}, history.Unknown, history.ErrTimeout, true},
		{"dequeue, forgotten", history.Op{Kind: history.Dequeue}, 0, answers{"LMOVE": {"$1\r\n7\r\n"}, "LREM": {":0\r\n"}}, history.Unknown, history.ErrServer, false},
		{"drain refused", history.Op{Kind: history.Drain}, 0, answers{"KEYS": {"-LOADING x\r\n"}}, history.Fail, history.ErrBusy, false},
		{"drain, moving back unanswered", history.Op{Kind: history.Drain}, 0, answers{"KEYS": {"*1\r\n$1\r\np\r\n"}, "LMOVE": {silent}}, history.Fail, history.ErrTimeout, true},
		{"drain of a replica", history.Op{Kind: history.Drain}, 0, answers{"KEYS": {"*0\r\n"}, "LMOVE": {readonly}}, history.Fail, history.ErrNotPrimary, false},
		{"drain nothing", history.Op{Kind: history.Drain}, 0, answers{"KEYS": {"*0\r\n"}, "LMOVE": {"$-1\r\n"}}, history.OK, none, false},
		{"no such operation", history.Op{Kind: 99}, 0, answers{}, history.Fail, history.ErrServer, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := servers{settings: settings{wait: c.wait, waitTimeout: 10 * time.Millisecond}}
			client := s.newClient(fake(t, c.answers), 50*time.Millisecond)
			op := c.op
			began := time.Now()
			client.Do(t.Context(), &op)
			if op.Outcome != c.outcome || op.Error != c.err || client.Broken() != c.broken {
				t.Errorf("%v %v, broken %v; want %v %v %v", op.Outcome, op.Error, client.Broken(), c.outcome, c.err, c.broken)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if op.Kind == history.Dequeue {
				want := history.Nil
				if c.answers["LREM"] != nil {
					want = 7 // received, whatever became of its acknowledgement
				}
				if op.Value != want {
					t.Errorf("received %d", op.Value)
				}
			}
			_ = client.Close()
			client.Do(t.Context(), &op)
			if op.Outcome != history.Fail || op.Error != history.ErrConnect {
				t.Errorf("on a closed connection: %v %v", op.Outcome, op.Error)
			}
		})
	}
}

// TestGeneratedValue: a number that too few have confirmed was given to nobody.
func TestGeneratedValue(t *testing.T) {
	for confirmed, want := range map[string]int64{":1\r\n": 7, ":0\r\n": 0} {
		s := servers{settings: settings{wait: 1, waitTimeout: time.Second}}
		client := s.newClient(fake(t, answers{"INCR": {":7\r\n"}, "WAIT": {confirmed}}), time.Second)
		op := history.Op{Kind: history.Generate}
		if client.Do(t.Context(), &op); op.Value != want || (op.Outcome == history.OK) != (want != 0) {
			t.Errorf("confirmed by %q: %s with %d", confirmed, op.Outcome, op.Value)
		}
	}
}

func TestFailedComparisonTellsTheValue(t *testing.T) {
	for answer, want := range map[string]int64{"*2\r\n:0\r\n$1\r\n7\r\n": 7, "*2\r\n:0\r\n$-1\r\n": history.Nil} {
		s := servers{}
		client := s.newClient(fake(t, answers{"EVAL": {answer}}), time.Second)
		op := history.Op{Kind: history.CAS, Old: 1, Value: 2}
		client.Do(t.Context(), &op)
		if op.Observed != want || op.Flags&history.Seen == 0 {
			t.Errorf("observed %d, flags %b", op.Observed, op.Flags)
		}
	}
}

// TestDrainKeepsWhatItReceived: what a drain has received and acknowledged it
// tells, however it ends, and what is in doubt it names.
func TestDrainKeepsWhatItReceived(t *testing.T) {
	const seven, eight, empty = "$1\r\n7\r\n", "$1\r\n8\r\n", "$-1\r\n"
	for _, c := range []struct {
		name      string
		move, ack []string
		elements  []int64
		doubt     int64
		end       history.Outcome
	}{
		{"to the end", []string{seven, eight, empty}, []string{":1\r\n"}, []int64{7, 8}, history.Nil, history.OK},
		{"the second refused", []string{seven, readonly}, []string{":1\r\n"}, []int64{7}, history.Nil, history.Fail},
		{"the second unanswered", []string{seven, silent}, []string{":1\r\n"}, []int64{7}, history.Nil, history.Unknown},
		{"its acknowledgement unanswered", []string{seven, eight}, []string{":1\r\n", silent}, []int64{7}, 8, history.Unknown},
		{"its acknowledgement refused", []string{seven, eight}, []string{":1\r\n", readonly}, []int64{7}, 8, history.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := servers{}
			client := s.newClient(fake(t, answers{"KEYS": {"*0\r\n"}, "LMOVE": c.move, "LREM": c.ack}), 200*time.Millisecond)
			op := history.Op{Kind: history.Drain, Elements: []int64{1}}
			client.Do(t.Context(), &op)
			if !slices.Equal(op.Elements, c.elements) || op.Value != c.doubt || op.Outcome != c.end {
				t.Errorf("%v, %d in doubt, %v", op.Elements, op.Value, op.Outcome)
			}
			_ = client.Close()
		})
	}
}

// TestDrainEndsInTime: with more messages than time it fails, and tells those
// that it took.
func TestDrainEndsInTime(t *testing.T) {
	s := servers{}
	client := s.newClient(fake(t, answers{"KEYS": {"*0\r\n"}, "LMOVE": {"$1\r\n7\r\n"}, "LREM": {":1\r\n"}}), 100*time.Millisecond)
	op := history.Op{Kind: history.Drain}
	client.Do(t.Context(), &op)
	if op.Outcome != history.Fail || op.Error != history.ErrTimeout || len(op.Elements) == 0 || op.Value != history.Nil || client.Broken() {
		t.Errorf("%v %v, %d messages, %d in doubt", op.Outcome, op.Error, len(op.Elements), op.Value)
	}
	_ = client.Close()
}
