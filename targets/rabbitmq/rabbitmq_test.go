package rabbitmq

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		options map[string]string
		wrong   string // part of the error; empty: none
	}{
		{nil, ""},
		{map[string]string{"queue": "mirrored", "ha-sync-mode": "automatic", "ha-promote-on-failure": "when-synced"}, ""},
		{map[string]string{"queue": "classic", "cluster_partition_handling": "autoheal", "net_ticktime": "1m"}, ""},
		{map[string]string{"queue": "stream"}, `target.options.queue: "stream" is not known`},
		{map[string]string{"quue": "classic"}, `did you mean "queue"`},
		{map[string]string{"publisher_confirms": "yes"}, `"yes" is not known`},
		{map[string]string{"net_ticktime": "1500ms"}, "is not a whole number of seconds"},
		{map[string]string{"net_ticktime": "100ms"}, "out of range"},
		{map[string]string{"schedulers": "0"}, "not a whole number from 1"},
		{map[string]string{"ha-sync-mode": "automatic"}, "it is for queue: mirrored, and this queue is quorum"},
	} {
		_, err := Target{}.Configure(targets.Config{Replicas: 2, Options: c.options})
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%v: got error %v, want %q", c.options, err, c.wrong)
		}
	}
}

func TestModesAreValid(t *testing.T) {
	for _, mode := range (Target{}).Info().Modes {
		if _, err := (Target{}).Configure(targets.Config{Replicas: mode.Replicas, Options: mode.Options}); err != nil {
			t.Errorf("mode %s: %v", mode.Name, err)
		}
	}
}

// TestClassify holds the rule: only what fails before anything was sent proves
// that nothing happened; every code of the server is in the table.
func TestClassify(t *testing.T) {
	server := func(code int) error { return &amqp.Error{Code: code, Server: true, Reason: "NO WAY"} }
	for _, c := range []struct {
		name string
		at   step
		late bool
		err  error
		want history.Outcome
		why  history.Error
	}{
		{"declare: the queue's node is away", beforehand, false, server(amqp.NotFound), history.Fail, history.ErrNoQuorum},
		{"declare: time ran out", beforehand, true, amqp.ErrClosed, history.Fail, history.ErrTimeout},
		{"declare: the connection broke", beforehand, false, amqp.ErrClosed, history.Fail, history.ErrConnLost},
		{"declare: another kind of queue", beforehand, false, server(amqp.PreconditionFailed), history.Fail, history.ErrServer},
		{"get: the queue's node is away", sent, false, server(amqp.NotFound), history.Unknown, history.ErrNoQuorum},
		{"get: there is no such queue", sent, false, &amqp.Error{Code: amqp.NotFound, Reason: "NOT_FOUND - no queue 'q0.0' in vhost '/'", Server: true}, history.Fail, history.ErrGone},
		{"shutdown", sent, false, server(amqp.ConnectionForced), history.Unknown, history.ErrConnLost},
		{"too large", sent, false, server(amqp.ContentTooLarge), history.Unknown, history.ErrServer},
		{"refused", sent, false, server(amqp.AccessRefused), history.Unknown, history.ErrServer},
		{"locked", sent, false, server(amqp.ResourceLocked), history.Unknown, history.ErrServer},
		{"precondition", sent, false, server(amqp.PreconditionFailed), history.Unknown, history.ErrServer},
		{"resources", sent, false, server(amqp.ResourceError), history.Unknown, history.ErrBusy},
		{"internal", sent, false, server(amqp.InternalError), history.Unknown, history.ErrServer},
		{"a code that is not in the table", sent, false, server(599), history.Unknown, history.ErrServer},
		{"time ran out", sent, true, amqp.ErrClosed, history.Unknown, history.ErrTimeout},
		{"time ran out, as the driver tells it", sent, true, &amqp.Error{Code: amqp.FrameError, Reason: "use of closed network connection"}, history.Unknown, history.ErrTimeout},
		{"the connection broke", sent, false, &amqp.Error{Code: amqp.FrameError, Reason: "EOF"}, history.Unknown, history.ErrConnLost},
		{"closed", sent, false, amqp.ErrClosed, history.Unknown, history.ErrConnLost},
		{"no acknowledgement sent", sent, false, fmt.Errorf("%w: %w", errAck, amqp.ErrClosed), history.Unknown, history.ErrConnLost},
		{"foreign message", sent, false, fmt.Errorf("%w: %w", errBody, errors.New("syntax")), history.Unknown, history.ErrServer},
		{"wrapped", sent, false, fmt.Errorf("channel: %w", server(amqp.InternalError)), history.Unknown, history.ErrServer},
	} {
		got, why := classify(c.at, c.late, c.err)
		if got != c.want || why != c.why {
			t.Errorf("%s: got %v %v, want %v %v", c.name, got, why, c.want, c.why)
		}
	}
	for _, class := range classes {
		if _, why := classify(sent, false, server(class.code)); why != class.err {
			t.Errorf("code %d: got %v, want %v", class.code, why, class.err)
		}
	}
}

// TestConfirmed covers the words that the server has for a published message.
func TestConfirmed(t *testing.T) {
	for _, c := range []struct {
		name            string
		acked, returned bool
		want            history.Outcome
		why             history.Error
	}{
		{"confirmed", true, false, history.OK, history.ErrNone},
		{"unroutable, then confirmed", true, true, history.Fail, history.ErrServer},
		{"refused", false, false, history.Unknown, history.ErrServer},
		{"unroutable, then refused", false, true, history.Unknown, history.ErrServer},
	} {
		var op history.Op
		(&Client{ch: new(amqp.Channel)}).confirmed(&op, c.acked, c.returned)
		if op.Outcome != c.want || op.Error != c.why {
			t.Errorf("%s: got %v %v, want %v %v", c.name, op.Outcome, op.Error, c.want, c.why)
		}
	}
}

func TestBrokenConnectionRefuses(t *testing.T) {
	op := history.Op{Kind: history.Dequeue, Value: 7}
	(&Client{broken: true}).Do(t.Context(), &op)
	if op.Outcome != history.Fail || op.Error != history.ErrConnect || op.Value != history.Nil {
		t.Errorf("got %v %v with value %d", op.Outcome, op.Error, op.Value)
	}
}

func TestRole(t *testing.T) {
	for _, c := range []struct {
		answer string
		want   targets.Role
		epoch  uint64
		wrong  bool
	}{
		{"ready=true leader='rabbit@10.0.0.1' self='rabbit@10.0.0.1' term=3", targets.Primary, 3, false},
		{"ready=true leader='rabbit@10.0.0.1' self='rabbit@10.0.0.2' term=3", targets.Peer, 3, false},
		{"ready=true leader=undefined self='rabbit@10.0.0.2' term=4", targets.Peer, 4, false},
		{"ready=true leader=none self='rabbit@10.0.0.2' term=0", targets.Peer, 0, false},
		{"ready=false", "", 0, true},
		{"error={error,badarg}", "", 0, true},
		{"ready=true leader=none self=a term=x", "", 0, true},
		{"", "", 0, true},
	} {
		st, err := role(parse(c.answer))
		if (err != nil) != c.wrong {
			t.Errorf("%q: error %v", c.answer, err)
		}
		if !c.wrong && (st.Role != c.want || st.Epoch != c.epoch) {
			t.Errorf("%q: got %v in %d", c.answer, st.Role, st.Epoch)
		}
	}
}

func TestAmiss(t *testing.T) {
	settled := map[string]string{"nodes": "3", "partitions": "0", "queues": "1", "down": "0", "amiss": "[]",
		"leader": "a", "mirrors": "2", "synced": "2", "unacked": "0"}
	manual := &System{nodes: 3, queue: mirrored, sync: "manual"}
	automatic := &System{nodes: 3, queue: mirrored, sync: "automatic"}
	raft := &System{nodes: 3, queue: quorum}
	for _, c := range []struct {
		system      *System
		name, value string // what differs
		want        string
	}{
		{manual, "", "", ""},
		{automatic, "", "", ""},
		{manual, "nodes", "2", "nodes is 2, not 3"},
		{manual, "partitions", "1", "partitions is 1, not 0"},
		{raft, "partitions", "1", ""},
		{raft, "amiss", "[candidate]", "amiss is [candidate], not []"},
		{manual, "down", "1", "down is 1, not 0"},
		{manual, "amiss", "[candidate]", "amiss is [candidate], not []"},
		{manual, "unacked", "4", "unacked is 4, not 0"},
		{manual, "leader", "undefined", "the queue has no leader"},
		{manual, "mirrors", "1", "mirrors is 1, not 2"},
		{manual, "synced", "1", ""},
		{automatic, "synced", "1", "synced is 1, not 2"},
		{automatic, "error", "{error,noproc}", "{error,noproc}"},
	} {
		facts := maps.Clone(settled)
		if c.name != "" {
			facts[c.name] = c.value
		}
		if got := c.system.amiss(facts); got != c.want {
			t.Errorf("%s=%s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// TestServer checks what must be so for nodes that share a machine's files.
func TestServer(t *testing.T) {
	system, err := Target{}.Configure(targets.Config{Replicas: 2, Options: map[string]string{"cluster_partition_handling": "autoheal"}})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*cluster.Node
	for i := range 3 {
		nodes = append(nodes, &cluster.Node{Name: fmt.Sprintf("n%d", i+1), Index: i, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})})
	}
	for i := range nodes {
		spec := system.Server(nodes, i)
		for path := range spec.Files {
			if !strings.HasPrefix(path, cluster.DataDir) {
				t.Errorf("%s is outside the data directory", path)
			}
		}
		conf := spec.Files[confFile]
		if want := fmt.Sprint("rabbit@", nodes[i].Addr); spec.Env["RABBITMQ_NODENAME"] != want || !strings.Contains(conf, want) {
			t.Errorf("%s: the name %s is not everywhere:\n%s", nodes[i].Name, want, conf)
		}
		if !strings.Contains(conf, "cluster_partition_handling = autoheal\n") || !strings.Contains(conf, "net_ticktime = 3\n") {
			t.Errorf("%s: the options are missing:\n%s", nodes[i].Name, conf)
		}
		if joins := slices.Contains(spec.Command, nodes[0].Addr.String()); joins != (i > 0) {
			t.Errorf("%s: command %v", nodes[i].Name, spec.Command)
		}
	}
}
