package etcd

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// TestQueue: messages come in the order in which they were sent, each to whoever
// deletes it, and what is left is drained.
func TestQueue(t *testing.T) {
	kv := &fakeKV{data: map[string]string{"q0.33/1": "1"}}
	c, _, _ := serve(t, kv, &System{}, targets.ClientOptions{OpTimeout: 5 * time.Second})
	for v := range int64(6) {
		if got := do(t, c, history.Op{Kind: history.Enqueue, Key: 3, Value: v}); got.Outcome != history.OK {
			t.Fatalf("enqueue: %+v", got)
		}
	}
	dequeue := history.Op{Kind: history.Dequeue, Key: 3, Value: history.Nil}
	if got := do(t, c, dequeue); got.Outcome != history.OK || got.Value != 0 {
		t.Errorf("the first message: %+v", got)
	}
	kv.robbed = 2
	if got := do(t, c, dequeue); got.Outcome != history.OK || got.Value != 3 {
		t.Errorf("two others were faster: %+v", got)
	}
	if got := do(t, c, history.Op{Kind: history.Drain, Key: 3}); got.Outcome != history.OK || !slices.Equal(got.Elements, []int64{4, 5}) {
		t.Errorf("drain: %+v", got)
	}
	if got := do(t, c, dequeue); got.Outcome != history.OK || got.Value != history.Nil {
		t.Errorf("an empty queue: %+v", got)
	}
}

// TestQueueInDoubt: a deletion without an answer may have taken the message; one
// that was refused has not.
func TestQueueInDoubt(t *testing.T) {
	for _, test := range []struct {
		err     error
		outcome history.Outcome
		value   int64
	}{
		{grpcstatus.Error(codes.Unavailable, "error reading from server: EOF"), history.Unknown, 7},
		{grpcstatus.Error(codes.Unknown, "etcdserver: too many requests"), history.Fail, history.Nil},
	} {
		for _, kind := range []history.Kind{history.Dequeue, history.Drain} {
			kv := &fakeKV{data: map[string]string{"q0.0/7": "7"}, refuse: test.err}
			c, _, _ := serve(t, kv, &System{}, targets.ClientOptions{OpTimeout: 5 * time.Second})
			if got := do(t, c, history.Op{Kind: kind, Value: history.Nil}); got.Outcome != test.outcome || got.Value != test.value || len(got.Elements) > 0 {
				t.Errorf("%v after %v: %+v", kind, test.err, got)
			}
		}
	}
}
