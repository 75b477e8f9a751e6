package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfigure(t *testing.T) {
	for _, c := range []struct {
		options map[string]string
		wrong   string // part of the error; empty: none
		flag    string
	}{
		{nil, "", "--election-timeout=1000"},
		{nil, "", "--unsafe-no-fsync=false"},
		{map[string]string{"unsafe-no-fsync": "true"}, "", "--unsafe-no-fsync=true"},
		{map[string]string{"heartbeat-interval": "20", "election-timeout": "200"}, "", "--heartbeat-interval=20"},
		{map[string]string{"reads": "stale"}, "serializable", ""},
		{map[string]string{"read": "serializable"}, "reads", ""},
		{map[string]string{"election-timeout": "soon"}, "election-timeout", ""},
		{map[string]string{"election-timeout": "400"}, "five heartbeats", ""},
		{map[string]string{"auto-compaction-retention": "1s"}, "", "--auto-compaction-retention=1s"},
		{map[string]string{"auto-compaction-retention": "1s"}, "", "--auto-compaction-mode=periodic"},
		{map[string]string{"experimental-compaction-batch-limit": "1"}, "", "--experimental-compaction-batch-limit=1"},
		{map[string]string{"backend-batch-interval": "1s"}, "", "--backend-batch-interval=1s"},
		{map[string]string{"auto-compaction-retention": "1ms"}, "out of range", ""},
		{map[string]string{"experimental-compaction-batch-limit": "0"}, "not a whole number", ""},
		{map[string]string{"backend-batch-interval": "often"}, "backend-batch-interval", ""},
	} {
		system, err := Target{}.Configure(targets.Config{Replicas: 2, Options: c.options})
		switch {
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%v: error %v, want one with %q", c.options, err, c.wrong)
		case c.wrong == "" && err != nil:
			t.Errorf("%v: %v", c.options, err)
		case c.wrong == "" && !slices.Contains(system.(*System).flags, c.flag):
			t.Errorf("%v: flags %v lack %s", c.options, system.(*System).flags, c.flag)
		}
	}
}

func TestModesAreValid(t *testing.T) {
	for _, mode := range (Target{}).Info().Modes {
		if _, err := (Target{}).Configure(targets.Config{Replicas: mode.Replicas, Options: mode.Options}); err != nil {
			t.Errorf("%s: %v", mode.Name, err)
		}
	}
}

func TestServerKnowsItsPeers(t *testing.T) {
	nodes := []*cluster.Node{
		{Name: "n1", Addr: netip.MustParseAddr("10.0.0.1")},
		{Name: "n2", Index: 1, Addr: netip.MustParseAddr("10.0.0.2")},
	}
	command := strings.Join(new(System).Server(nodes, 1).Command, " ")
	for _, want := range []string{"--name=n2 ", "--initial-cluster=n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380 ",
		"--advertise-client-urls=http://10.0.0.2:2379 ", "--data-dir={data}/"} {
		if !strings.Contains(command, want) {
			t.Errorf("%s\nlacks %s", command, want)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err     error
		outcome history.Outcome
		why     history.Error
	}{
		{rpctypes.ErrGRPCRequestTooManyRequests, history.Fail, history.ErrBusy},
		{grpcstatus.Error(codes.Unknown, "etcdserver: too many requests"), history.Fail, history.ErrBusy}, // as it really arrives
		{rpctypes.ErrGRPCRequestTooLarge, history.Fail, history.ErrServer},
		{grpcstatus.Error(codes.Unknown, "raft proposal dropped"), history.Fail, history.ErrNoQuorum},
		{rpctypes.ErrGRPCNoLeader, history.Fail, history.ErrNoQuorum},
		{rpctypes.ErrGRPCNotCapable, history.Fail, history.ErrServer},
		{rpctypes.ErrGRPCNotSupportedForLearner, history.Fail, history.ErrNotPrimary},

		{rpctypes.ErrGRPCTimeout, history.Unknown, history.ErrTimeout},
		{rpctypes.ErrGRPCTimeoutDueToLeaderFail, history.Unknown, history.ErrTimeout},
		{rpctypes.ErrGRPCTimeoutDueToConnectionLost, history.Unknown, history.ErrTimeout},
		{rpctypes.ErrGRPCLeaderChanged, history.Unknown, history.ErrNoQuorum},
		{rpctypes.ErrGRPCStopped, history.Unknown, history.ErrConnLost},
		{rpctypes.ErrGRPCNoSpace, history.Unknown, history.ErrServer}, // may have been carried out

		{context.DeadlineExceeded, history.Unknown, history.ErrTimeout},
		{grpcstatus.Error(codes.DeadlineExceeded, "context deadline exceeded"), history.Unknown, history.ErrTimeout},
		{context.Canceled, history.Unknown, history.ErrConnLost},
		{grpcstatus.Error(codes.Unavailable, "error reading from server: EOF"), history.Unknown, history.ErrConnLost},
		{grpcstatus.Error(codes.Unavailable, "the raft proposal dropped"), history.Unknown, history.ErrConnLost},
		{grpcstatus.Error(codes.Internal, "?"), history.Unknown, history.ErrServer},
		{errAnswer, history.Unknown, history.ErrServer},
		{errors.New("anything else"), history.Unknown, history.ErrServer},
	} {
		for _, err := range []error{c.err, clientv3.ContextError(t.Context(), c.err)} { // as the server and as the client spell it
			if outcome, why := classify(err); outcome != c.outcome || why != c.why {
				t.Errorf("%v: %v %v, want %v %v", err, outcome, why, c.outcome, c.why)
			}
		}
	}
	for _, a := range answers {
		if a.text == "" {
			t.Error("a row without a text")
		}
	}
}

func answer(member, leader, term, applied uint64, errs ...string) *clientv3.StatusResponse {
	return &clientv3.StatusResponse{Header: &etcdserverpb.ResponseHeader{MemberId: member}, Leader: leader,
		RaftTerm: term, RaftIndex: applied + 1, RaftAppliedIndex: applied, Errors: errs}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		answer *clientv3.StatusResponse
		want   targets.Status
	}{
		{answer(7, 7, 3, 40), targets.Status{Role: targets.Primary, Epoch: 3, Position: 40, Eligible: true, Healthy: true}},
		{answer(8, 7, 3, 39), targets.Status{Role: targets.Replica, Epoch: 3, Position: 39, Eligible: true, Healthy: true}},
		{answer(8, 0, 4, 39, "etcdserver: no leader"), targets.Status{Role: targets.Replica, Epoch: 4, Position: 39}},
		{nil, targets.Status{}},
	} {
		got := status(c.answer)
		got.Detail = ""
		if got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}

func TestAgreed(t *testing.T) {
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}}
	for _, c := range []struct {
		answers []*clientv3.StatusResponse
		want    string
	}{
		{[]*clientv3.StatusResponse{answer(1, 1, 2, 9), answer(2, 1, 2, 9), answer(3, 1, 2, 8)}, "0 <nil>"},
		{[]*clientv3.StatusResponse{answer(1, 3, 2, 9), answer(2, 3, 2, 9), answer(3, 3, 2, 8)}, "2 <nil>"},
		{[]*clientv3.StatusResponse{answer(1, 3, 2, 9), answer(2, 3, 3, 9), answer(3, 3, 2, 8)}, "-1 n1 and n2 do not follow the same leader"},
		{[]*clientv3.StatusResponse{answer(1, 1, 2, 9), answer(2, 0, 2, 9, "no leader"), answer(3, 1, 2, 8)}, "-1 n2 is not ready: no leader"},
		{[]*clientv3.StatusResponse{answer(1, 4, 2, 9), answer(2, 4, 2, 9), answer(3, 4, 2, 8)}, "-1 the members follow a leader that is none of them"},
	} {
		leader, err := agreed(nodes, c.answers)
		if got := fmt.Sprint(leader, " ", err); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
