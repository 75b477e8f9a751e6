package nats

import (
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// page is a stream's info with two subjects of three.
const (
	page1 = `{"total":3,"cluster":{"leader":"n1","raft_group":"g"},"state":{"subjects":{"$KV.aftershock.s0.0.1":1,"$KV.aftershock.s0.0.2":2}}}`
	page2 = `{"total":3,"cluster":{"leader":"n1"},"state":{"subjects":{"$KV.aftershock.s0.0.3":1}}}`
	none  = `{"cluster":{"leader":"n1"},"state":{}}`
)

func TestSets(t *testing.T) {
	for _, c := range []struct {
		name     string
		direct   bool
		script   []answer
		outcome  history.Outcome
		why      history.Error
		elements []int64
		sent     int
	}{
		{"leader", false, []answer{{data: page1}, {data: page2}}, history.OK, history.ErrNone, []int64{1, 2, 2, 3}, 2},
		{"leader, none", false, []answer{{data: none}}, history.OK, history.ErrNone, nil, 1},
		{"leader, one that knows none", false, []answer{{data: `{"cluster":{}}`}}, history.Fail, history.ErrNoQuorum, nil, 1},
		{"leader, second page missing", false, []answer{{data: page1}, {silent: true}}, history.Unknown, history.ErrTimeout, nil, 2},
		{"direct, none", true, []answer{{header: status("404 Message Not Found")}}, history.OK, history.ErrNone, nil, 1},
		{"direct, end", true, []answer{{header: "NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 9\r\n\r\n"}}, history.OK, history.ErrNone, nil, 1},
		{"direct, two batches", true, []answer{{header: "NATS/1.0 204 EOB\r\nNats-Num-Pending: 1\r\nNats-Last-Sequence: 9\r\n\r\n"},
			{header: status("404 Message Not Found")}}, history.OK, history.ErrNone, nil, 2},
		{"direct, half a batch", true, []answer{{header: "NATS/1.0\r\nNats-Subject: $KV.aftershock.s0.0.4\r\nNats-Num-Pending: 1\r\n\r\n", data: "4"}},
			history.Unknown, history.ErrTimeout, nil, 1},
		{"direct, from a server without batches", true, []answer{{header: "NATS/1.0\r\nNats-Subject: $KV.aftershock.s0.0.4\r\n\r\n", data: "4"},
			{data: page1}, {data: page2}}, history.OK, history.ErrNone, []int64{1, 2, 2, 3}, 3},
		{"direct, refused", true, []answer{{header: status("413 Too Many Results")}}, history.Fail, history.ErrServer, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, f, _ := do(t, c.direct, c.script, history.Op{Kind: history.ReadSet})
			slices.Sort(op.Elements)
			if op.Outcome != c.outcome || op.Error != c.why || !slices.Equal(op.Elements, c.elements) || len(f.subjects) != c.sent {
				t.Errorf("%v %v %v, sent %v", op.Outcome, op.Error, op.Elements, f.bodies)
			}
		})
	}
}

func TestSecondBatchFollowsTheFirst(t *testing.T) {
	_, f, _ := do(t, true, []answer{{header: "NATS/1.0 204 EOB\r\nNats-Num-Pending: 1\r\nNats-Last-Sequence: 9\r\n\r\n"},
		{header: status("404 Message Not Found")}}, history.Op{Kind: history.ReadSet})
	if want := `{"seq":10,"next_by_subj":"$KV.aftershock.s0.0.*","batch":4096}`; len(f.bodies) != 2 || f.bodies[1] != want {
		t.Errorf("asked %q", f.bodies)
	}
}

func TestDequeue(t *testing.T) {
	message := answer{data: "41", reply: "$JS.ACK.1"}
	for _, c := range []struct {
		name    string
		script  []answer
		outcome history.Outcome
		why     history.Error
		value   int64
		sent    int
	}{
		{"taken", []answer{message, {}}, history.OK, history.ErrNone, 41, 2},
		{"empty", []answer{{header: status("404 No Messages")}}, history.OK, history.ErrNone, history.Nil, 1},
		{"no consumer", []answer{{header: status("503")}}, history.Fail, history.ErrNoQuorum, history.Nil, 1},
		{"leader changes", []answer{{header: status("409 Leadership Change")}}, history.Unknown, history.ErrServer, history.Nil, 1},
		{"no answer", []answer{{silent: true}}, history.Unknown, history.ErrTimeout, history.Nil, 1},
		{"not acknowledged", []answer{message, {silent: true}}, history.Unknown, history.ErrTimeout, 41, 2},
		{"nobody to acknowledge to", []answer{message, {header: status("503")}}, history.Unknown, history.ErrNoQuorum, 41, 2},
		{"lost while acknowledging", []answer{message, {close: true}}, history.Unknown, history.ErrConnLost, 41, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, f, _ := do(t, true, c.script, history.Op{Kind: history.Dequeue, Value: history.Nil})
			if op.Outcome != c.outcome || op.Error != c.why || op.Value != c.value || len(f.subjects) != c.sent {
				t.Errorf("%v %v %d, sent %v", op.Outcome, op.Error, op.Value, f.subjects)
			}
			if c.sent == 2 && (f.subjects[1] != message.reply || f.bodies[1] != "+ACK") {
				t.Errorf("acknowledged %v %q", f.subjects, f.bodies)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	first, second := answer{data: "41", reply: "$JS.ACK.1"}, answer{data: "42", reply: "$JS.ACK.2"}
	empty, acknowledged := answer{header: status("404 No Messages")}, answer{}
	left, nothing := answer{data: `{"num_pending":0,"num_ack_pending":1}`}, answer{data: `{"num_pending":0,"num_ack_pending":0}`}
	for _, c := range []struct {
		name     string
		script   []answer
		outcome  history.Outcome
		why      history.Error
		elements []int64
		value    int64
	}{
		{"empty", []answer{empty, nothing}, history.OK, history.ErrNone, nil, history.Nil},
		{"two", []answer{first, acknowledged, second, acknowledged, empty, nothing}, history.OK, history.ErrNone, []int64{41, 42}, history.Nil},
		{"one comes back", []answer{empty, left, first, acknowledged, empty, nothing}, history.OK, history.ErrNone, []int64{41}, history.Nil},
		{"one does not come back", []answer{first, acknowledged, empty, left, empty, left, empty, left, empty, left, empty, left, empty, left},
			history.Fail, history.ErrTimeout, []int64{41}, history.Nil},
		{"in doubt", []answer{first, acknowledged, second, {silent: true}}, history.Unknown, history.ErrTimeout, []int64{41}, 42},
		{"lost", []answer{first, acknowledged, {close: true}}, history.Unknown, history.ErrConnLost, []int64{41}, history.Nil},
		{"no leader", []answer{first, acknowledged, {header: status("503")}}, history.Fail, history.ErrNoQuorum, []int64{41}, history.Nil},
		{"not told", []answer{empty, {header: status("503")}}, history.Fail, history.ErrNoQuorum, nil, history.Nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, _, _ := do(t, true, c.script, history.Op{Kind: history.Drain, Value: history.Nil})
			if op.Outcome != c.outcome || op.Error != c.why || !slices.Equal(op.Elements, c.elements) || op.Value != c.value {
				t.Errorf("%v %v %v %d", op.Outcome, op.Error, op.Elements, op.Value)
			}
		})
	}
}
