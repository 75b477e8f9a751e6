package etcd

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// fakeKV answers as etcd does, from a map.
type fakeKV struct {
	pb.UnimplementedKVServer
	data         map[string]string
	calls        atomic.Int64
	serializable atomic.Bool   // of the last range
	refuse       error         // every put's and deletion's answer
	robbed       int           // deletions that another call has made just before
	entered      chan struct{} // puts announce themselves, if there is one
	hang         chan struct{} // puts wait for it, if there is one
}

func (f *fakeKV) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	f.calls.Add(1)
	f.serializable.Store(r.Serializable)
	answer := &pb.RangeResponse{}
	for k, v := range f.data {
		key := []byte(k)
		in := bytes.Equal(key, r.Key)
		if len(r.RangeEnd) > 0 {
			in = bytes.Compare(key, r.Key) >= 0 && bytes.Compare(key, r.RangeEnd) < 0
		}
		if in {
			answer.Kvs = append(answer.Kvs, &mvccpb.KeyValue{Key: key, Value: []byte(v)})
		}
	}
	if r.SortTarget == pb.RangeRequest_CREATE { // its keys were made in the order of their names
		slices.SortFunc(answer.Kvs, func(a, b *mvccpb.KeyValue) int { return bytes.Compare(a.Key, b.Key) })
	}
	if r.Limit > 0 {
		answer.Kvs = answer.Kvs[:min(len(answer.Kvs), int(r.Limit))]
	}
	return answer, nil
}

func (f *fakeKV) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	f.calls.Add(1)
	if f.entered != nil {
		f.entered <- struct{}{}
	}
	if f.hang != nil {
		<-f.hang
	}
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.data[string(r.Key)] = string(r.Value)
	return &pb.PutResponse{}, nil
}

func (f *fakeKV) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	compare := r.Compare[0]
	value, ok := f.data[string(compare.Key)]
	if r.Success[0].GetRequestDeleteRange() != nil {
		delete(f.data, string(compare.Key)) // by this call, or by one that was faster
		f.robbed--
		return &pb.TxnResponse{Succeeded: f.robbed < 0}, f.refuse
	}
	same := ok && value == string(compare.GetValue())
	if compare.Target == pb.Compare_CREATE {
		same = !ok
	}
	if same {
		_, err := f.Put(ctx, r.Success[0].GetRequestPut())
		return &pb.TxnResponse{Succeeded: true}, err
	}
	seen, err := f.Range(ctx, r.Failure[0].GetRequestRange())
	return &pb.TxnResponse{Responses: []*pb.ResponseOp{{Response: &pb.ResponseOp_ResponseRange{ResponseRange: seen}}}}, err
}

// serve runs the fake until the test ends and connects to it once.
func serve(t *testing.T, kv *fakeKV, s *System, o targets.ClientOptions) (targets.Client, *grpc.Server, *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterKVServer(server, kv)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	dialled := new(atomic.Int64)
	o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
	}
	c, err := s.Connect(t.Context(), &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1")}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if kv.hang != nil {
			close(kv.hang)
		}
		server.Stop()
		<-done
	})
	return c, server, dialled
}

func do(t *testing.T, c targets.Client, op history.Op) history.Op {
	t.Helper()
	c.Do(t.Context(), &op)
	return op
}

func TestDo(t *testing.T) {
	kv := &fakeKV{data: map[string]string{"s0.33/9": "", "s0.3": "", "r1.1": "junk"}}
	c, _, _ := serve(t, kv, &System{}, targets.ClientOptions{OpTimeout: 5 * time.Second})
	for _, step := range []struct {
		op      history.Op
		outcome history.Outcome
		why     history.Error
		value   int64 // read, or observed by a failed comparison
	}{
		{history.Op{Kind: history.Read, Key: 3}, history.OK, history.ErrNone, history.Nil},
		{history.Op{Kind: history.CAS, Key: 3, Old: 5, Value: 6}, history.Fail, history.ErrCompare, history.Nil},
		{history.Op{Kind: history.Write, Key: 3, Value: 17}, history.OK, history.ErrNone, 17},
		{history.Op{Kind: history.Read, Key: 3}, history.OK, history.ErrNone, 17},
		{history.Op{Kind: history.Read, Key: 3, Workload: 1}, history.OK, history.ErrNone, history.Nil},
		{history.Op{Kind: history.CAS, Key: 3, Old: 5, Value: 6}, history.Fail, history.ErrCompare, 17},
		{history.Op{Kind: history.CAS, Key: 3, Old: 17, Value: 18}, history.OK, history.ErrNone, 18},
		{history.Op{Kind: history.Read, Key: 3}, history.OK, history.ErrNone, 18},
		{history.Op{Kind: history.CAS, Key: 4, Old: history.Nil, Value: 19}, history.OK, history.ErrNone, 19},
		{history.Op{Kind: history.CAS, Key: 4, Old: history.Nil, Value: 20}, history.Fail, history.ErrCompare, 19},
		{history.Op{Kind: history.Poll, Key: 0}, history.OK, history.ErrNone, history.Nil},
		{history.Op{Kind: history.Mark, Key: 0, Value: 1}, history.OK, history.ErrNone, 1},
		{history.Op{Kind: history.Poll, Key: 0}, history.OK, history.ErrNone, 1},
		{history.Op{Kind: history.Scan, Value: 1}, history.Fail, history.ErrServer, 1},
	} {
		got := do(t, c, step.op)
		value := got.Value
		if got.Error == history.ErrCompare {
			value = got.Observed
			if got.Flags&history.Seen == 0 {
				t.Errorf("%+v: the value in the way was not seen", step.op)
			}
		}
		if got.Outcome != step.outcome || got.Error != step.why || value != step.value {
			t.Errorf("%v of key %d: %v %v %d, want %v %v %d", step.op.Kind, step.op.Key, got.Outcome, got.Error, value, step.outcome, step.why, step.value)
		}
	}
	for _, v := range []int64{7, 8} {
		if got := do(t, c, history.Op{Kind: history.Add, Key: 3, Value: v}); got.Outcome != history.OK {
			t.Errorf("add: %+v", got)
		}
	}
	got := do(t, c, history.Op{Kind: history.ReadSet, Key: 3})
	slices.Sort(got.Elements)
	if got.Outcome != history.OK || !slices.Equal(got.Elements, []int64{7, 8}) {
		t.Errorf("the set is %v %v", got.Outcome, got.Elements)
	}
	if got := do(t, c, history.Op{Kind: history.Read, Workload: 1, Key: 1}); got.Outcome != history.Unknown {
		t.Errorf("a value that nobody wrote: %+v", got)
	}
}

func TestReadsOption(t *testing.T) {
	for _, serializable := range []bool{false, true} {
		kv := &fakeKV{data: map[string]string{}}
		c, _, _ := serve(t, kv, &System{serializable: serializable}, targets.ClientOptions{OpTimeout: 5 * time.Second})
		for kind, want := range map[history.Kind]bool{history.Read: serializable, history.ReadSet: serializable, history.Poll: true} {
			do(t, c, history.Op{Kind: kind})
			if got := kv.serializable.Load(); got != want {
				t.Errorf("reads serializable=%v: %v was serializable=%v", serializable, kind, got)
			}
		}
	}
}

func TestOneAttempt(t *testing.T) {
	for _, refuse := range []error{rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCStopped, rpctypes.ErrGRPCRequestTooManyRequests} {
		kv := &fakeKV{data: map[string]string{}, refuse: refuse}
		c, _, _ := serve(t, kv, &System{}, targets.ClientOptions{OpTimeout: 5 * time.Second})
		got := do(t, c, history.Op{Kind: history.Write, Value: 1})
		outcome, why := classify(refuse)
		if got.Outcome != outcome || got.Error != why || kv.calls.Load() != 1 || c.Broken() != (outcome == history.Unknown) {
			t.Errorf("%v: %v %v after %d calls, broken=%v", refuse, got.Outcome, got.Error, kv.calls.Load(), c.Broken())
		}
	}
}

func TestTimeout(t *testing.T) {
	kv := &fakeKV{data: map[string]string{}, hang: make(chan struct{})}
	c, _, _ := serve(t, kv, &System{}, targets.ClientOptions{OpTimeout: 50 * time.Millisecond})
	start := time.Now()
	got := do(t, c, history.Op{Kind: history.Write, Value: 1})
	if got.Outcome != history.Unknown || got.Error != history.ErrTimeout || time.Since(start) > time.Second || !c.Broken() {
		t.Errorf("%v %v after %v, broken=%v", got.Outcome, got.Error, time.Since(start), c.Broken())
	}
}

// TestLost loses the connection during a call: it stays unknown, and no other
// connection is made for it or for the next.
func TestLost(t *testing.T) {
	kv := &fakeKV{data: map[string]string{}, entered: make(chan struct{}), hang: make(chan struct{})}
	c, server, dialled := serve(t, kv, &System{}, targets.ClientOptions{OpTimeout: 5 * time.Second})
	go func() {
		<-kv.entered
		server.Stop() // closes the connections; the put is still hanging
	}()
	if got := do(t, c, history.Op{Kind: history.Write, Value: 1}); got.Outcome != history.Unknown || got.Error != history.ErrConnLost || !c.Broken() {
		t.Errorf("lost during the call: %v %v, broken=%v", got.Outcome, got.Error, c.Broken())
	}
	if got := do(t, c, history.Op{Kind: history.Write, Value: 2}); got.Outcome != history.Fail || got.Error != history.ErrConnect {
		t.Errorf("after the loss: %v %v", got.Outcome, got.Error)
	}
	if dialled.Load() != 1 || kv.calls.Load() != 1 {
		t.Errorf("%d connections and %d calls, want one each", dialled.Load(), kv.calls.Load())
	}
}

// TestConnectToAPausedMember: the kernel takes the connection, nobody greets.
func TestConnectToAPausedMember(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
	}
	start := time.Now()
	_, err = new(System).Connect(t.Context(), &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1")},
		targets.ClientOptions{ConnectTimeout: 100 * time.Millisecond, Dialer: dial})
	if err == nil || time.Since(start) > time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
}
