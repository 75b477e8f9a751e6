package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfigure(t *testing.T) {
	for value, want := range map[string]bool{"": true, "all": true, "any": false} {
		options := map[string]string{optWrite: value}
		if value == "" {
			options = nil
		}
		system, err := Target{}.Configure(targets.Config{Replicas: 2, Options: options})
		if err != nil || system.(*System).all != want {
			t.Errorf("%q: %+v, %v", value, system, err)
		}
	}
	for name, value := range map[string]string{optWrite: "most", "wirte": "all"} {
		if _, err := (Target{}).Configure(targets.Config{Options: map[string]string{name: value}}); err == nil || !strings.Contains(err.Error(), "target.options."+name) {
			t.Errorf("%s: %s: %v", name, value, err)
		}
	}
}

// TestAcknowledge is the table of what the nodes' answers to a write say.
func TestAcknowledge(t *testing.T) {
	refused := errors.New(`memcache: unexpected response line from "set": "SERVER_ERROR out of memory storing object\r\n"`)
	for _, c := range []struct {
		errs    []error
		need    int
		outcome history.Outcome
		why     history.Error
	}{
		{[]error{nil, nil, nil}, 3, history.OK, history.ErrNone},
		{[]error{nil, refused, nil}, 3, history.Unknown, history.ErrServer},
		{[]error{refused, refused, refused}, 3, history.Unknown, history.ErrServer},
		{[]error{nil, nil, os.ErrDeadlineExceeded}, 3, history.Unknown, history.ErrTimeout},
		{[]error{nil, nil, io.EOF}, 3, history.Unknown, history.ErrConnLost},
		{[]error{nil, errLost, errLost}, 1, history.OK, history.ErrNone},
		{[]error{io.EOF, errLost, errLost}, 1, history.Unknown, history.ErrConnLost},
		{[]error{nil}, 1, history.OK, history.ErrNone},
	} {
		if outcome, why := acknowledge(c.errs, c.need); outcome != c.outcome || why != c.why {
			t.Errorf("%v of %d: %v %v, want %v %v", c.errs, c.need, outcome, why, c.outcome, c.why)
		}
	}
}

// fake is a cache in this process.
type fake struct {
	listener net.Listener
	mu       sync.Mutex
	data     map[string]string
	sets     atomic.Int64
	answer   string // to every set; empty: STORED
	silent   bool
}

func (f *fake) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		go func() { // ends when the client closes
			defer conn.Close()
			in := bufio.NewReader(conn)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprint(conn, f.reply(strings.Fields(line), in))
			}
		}()
	}
}

func (f *fake) reply(words []string, in *bufio.Reader) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case words[0] == "version":
		return "VERSION 1\r\n"
	case words[0] == "set":
		value, _ := in.ReadString('\n')
		f.sets.Add(1)
		if f.answer == "" && !f.silent {
			f.data[words[1]] = strings.TrimSpace(value)
			return "STORED\r\n"
		}
		return f.answer
	case f.silent:
		return ""
	}
	if value, ok := f.data[words[1]]; ok {
		return fmt.Sprintf("VALUE %s 0 %d 1\r\n%s\r\nEND\r\n", words[1], len(value), value)
	}
	return "END\r\n"
}

// launch starts caches and connects to the first.
func launch(t *testing.T, n int, write string) ([]*fake, targets.Client) {
	t.Helper()
	system, err := Target{}.Configure(targets.Config{Replicas: n - 1, Options: map[string]string{optWrite: write}})
	if err != nil {
		t.Fatal(err)
	}
	s := system.(*System)
	fakes, at := make([]*fake, n), map[string]*fake{}
	for i := range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		node := &cluster.Node{Name: fmt.Sprintf("n%d", i+1), Index: i, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
		fakes[i] = &fake{listener: listener, data: map[string]string{"r0.9": "junk"}}
		s.nodes, at[kit.Address(node, port)] = append(s.nodes, node), fakes[i]
		go fakes[i].serve()
	}
	c, err := s.Connect(t.Context(), s.nodes[0], targets.ClientOptions{ConnectTimeout: time.Second, OpTimeout: 100 * time.Millisecond,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at[addr].listener.Addr().String())
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return fakes, c
}

func check(t *testing.T, c targets.Client, op history.Op, outcome history.Outcome, why history.Error, value int64) {
	t.Helper()
	start := time.Now()
	if c.Do(t.Context(), &op); op.Outcome != outcome || op.Error != why || outcome == history.OK && op.Value != value {
		t.Errorf("%v: %v %v %d, want %v %v %d", op.Kind, op.Outcome, op.Error, op.Value, outcome, why, value)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("%v took %v", op.Kind, took)
	}
}

func TestDo(t *testing.T) {
	fakes, c := launch(t, 3, all)
	check(t, c, history.Op{Kind: history.Read}, history.OK, history.ErrNone, history.Nil)
	check(t, c, history.Op{Kind: history.Write, Value: 17}, history.OK, history.ErrNone, 17)
	check(t, c, history.Op{Kind: history.Read}, history.OK, history.ErrNone, 17)
	check(t, c, history.Op{Kind: history.Poll}, history.OK, history.ErrNone, history.Nil)
	check(t, c, history.Op{Kind: history.Mark, Value: 1}, history.OK, history.ErrNone, 1)
	check(t, c, history.Op{Kind: history.Poll}, history.OK, history.ErrNone, 1)
	check(t, c, history.Op{Kind: history.Add, Value: 1}, history.Fail, history.ErrServer, 1)
	for i, f := range fakes {
		if f.data["r0.0"] != "17" || f.data["m0.0"] != "1" {
			t.Errorf("n%d holds %v", i+1, f.data)
		}
	}
	check(t, c, history.Op{Kind: history.Read, Key: 9}, history.Unknown, history.ErrServer, 0) // nobody wrote that
	if !c.Broken() {
		t.Error("a connection with a wrong answer is used again")
	}
	check(t, c, history.Op{Kind: history.Read}, history.Fail, history.ErrConnect, 0)
}

// TestNodeDown: a write that needs every node is not sent to any.
func TestNodeDown(t *testing.T) {
	fakes, c := launch(t, 3, all)
	_ = fakes[2].listener.Close()
	check(t, c, history.Op{Kind: history.Write, Value: 1}, history.Fail, history.ErrConnect, 0)
	if fakes[0].sets.Load()+fakes[1].sets.Load() != 0 {
		t.Error("a write was reported failed, but was sent")
	}
	fakes, c = launch(t, 3, "any")
	_ = fakes[2].listener.Close()
	check(t, c, history.Op{Kind: history.Write, Value: 1}, history.OK, history.ErrNone, 1)
	if fakes[0].sets.Load() != 1 || fakes[1].sets.Load() != 1 {
		t.Error("a write passed a node by that was there")
	}
}

func TestNodeRefuses(t *testing.T) {
	for write, want := range map[string]history.Outcome{all: history.Unknown, "any": history.OK} {
		fakes, c := launch(t, 3, write)
		fakes[1].answer = "SERVER_ERROR out of memory storing object\r\n"
		why := history.ErrNone
		if want != history.OK {
			why = history.ErrServer
		}
		check(t, c, history.Op{Kind: history.Write, Value: 1}, want, why, 1)
	}
}

func TestNodeIsSilent(t *testing.T) {
	fakes, c := launch(t, 1, all)
	fakes[0].silent = true
	check(t, c, history.Op{Kind: history.Write, Value: 1}, history.Unknown, history.ErrTimeout, 0)
	if n := fakes[0].sets.Load(); n != 1 {
		t.Errorf("the write was sent %d times", n)
	}
	if !c.Broken() {
		t.Error("a connection is used on whose answer may still come")
	}
	fakes, c = launch(t, 1, all)
	fakes[0].silent = true
	check(t, c, history.Op{Kind: history.Read}, history.Unknown, history.ErrTimeout, 0)
}

// TestVersion: the server's answer, and nothing else for it.
func TestVersion(t *testing.T) {
	for answer, want := range map[string]string{"VERSION 1.6.38\r\n": "1.6.38", "ERROR\r\n": "", "VERSION 1.6": ""} {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = bufio.NewReader(far).ReadString('\n')
			_, _ = io.WriteString(far, answer)
			_ = far.Close()
		}()
		version, err := askVersion(t.Context(), near)
		_ = near.Close()
		<-done
		if version != want || (err == nil) != (want != "") {
			t.Errorf("of %q: %q, %v", answer, version, err)
		}
	}
}
