package nats

import (
	"net"
	"sync"
	"testing"
	"time"

	driver "github.com/nats-io/nats.go"
)

// dialFake connects as the operator does to a fake server.
func dialFake(t *testing.T, f *fake) *driver.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if conn, err := listener.Accept(); err == nil {
			f.serve(conn)
		}
	})
	nc, err := driver.Connect("nats://"+listener.Addr().String(), driver.NoReconnect(), driver.Timeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		_ = listener.Close()
		serving.Wait()
	})
	return nc
}

// TestStepDownOfOlderServers: servers before 2.11 refuse to be told who is to
// lead, so they are asked again without a wish.
func TestStepDownOfOlderServers(t *testing.T) {
	tests := []struct {
		name   string
		script []answer
		asked  []string
		failed bool
	}{
		{"takes the wish", []answer{{data: `{"success":true}`}}, []string{`{"placement":{"preferred":"n1"}}`}, false},
		{"takes no wish", []answer{{data: api(10003)}, {data: `{"success":true}`}}, []string{`{"placement":{"preferred":"n1"}}`, ""}, false},
		{"has no leader", []answer{{data: api(10008)}}, []string{`{"placement":{"preferred":"n1"}}`}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := &fake{script: test.script}
			nc := dialFake(t, f)
			err := stepDown(t.Context(), nc, "bucket", "n1")
			if (err != nil) != test.failed {
				t.Errorf("it ended with %v", err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(f.bodies) != len(test.asked) {
				t.Fatalf("asked %q, want %q", f.bodies, test.asked)
			}
			for i := range test.asked {
				if f.bodies[i] != test.asked[i] {
					t.Errorf("question %d was %q, want %q", i, f.bodies[i], test.asked[i])
				}
			}
		})
	}
}
