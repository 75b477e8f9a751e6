package nats

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is what the fake server sends back for one message.
type answer struct {
	header string // "NATS/1.0 503\r\n\r\n"; empty: none
	data   string
	reply  string // where the answer wants its own answer
	close  bool   // the connection is closed instead
	silent bool   // nothing is sent
}

// fake is a server that speaks as much of the protocol as a client needs, and
// answers each message with the next of its script.
type fake struct {
	mu       sync.Mutex
	script   []answer
	subjects []string // of the messages received
	bodies   []string // with their headers
}

// serve serves one connection until it ends.
func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprintf(conn, "INFO {\"server_id\":\"fake\",\"version\":\"2.14.9\",\"headers\":true,\"proto\":1,\"max_payload\":1048576}\r\n")
	in := bufio.NewReader(conn)
	subs := map[string]string{} // prefix of the subject to id
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "PING":
			fmt.Fprint(conn, "PONG\r\n")
		case "SUB":
			subs[strings.TrimSuffix(words[1], "*")] = words[len(words)-1]
		case "PUB", "HPUB":
			size, _ := strconv.Atoi(words[len(words)-1])
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return
			}
			if !f.answer(conn, subs, words[1], words[2], string(body[:size])) {
				return
			}
		}
	}
}

// answer sends what the script has next; false closes the connection.
func (f *fake) answer(conn net.Conn, subs map[string]string, subject, reply, body string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subjects, f.bodies = append(f.subjects, subject), append(f.bodies, body)
	if len(f.script) == 0 {
		return true
	}
	a := f.script[0]
	f.script = f.script[1:]
	if a.silent || a.close {
		return !a.close
	}
	for prefix, id := range subs {
		if strings.HasPrefix(reply, prefix) {
			to := a.reply
			if to != "" {
				to += " "
			}
			if a.header == "" {
				fmt.Fprintf(conn, "MSG %s %s %s%d\r\n%s\r\n", reply, id, to, len(a.data), a.data)
			} else {
				fmt.Fprintf(conn, "HMSG %s %s %s%d %d\r\n%s%s\r\n", reply, id, to, len(a.header), len(a.header)+len(a.data), a.header, a.data)
			}
			return true
		}
	}
	return true
}

// dialTo makes connections to a listener in place of the node's port.
func dialTo(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

var someNode = &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1")}

// connectFake connects a client to a fake server with a script.
func connectFake(t *testing.T, f *fake, s *System) targets.Client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if conn, err := ln.Accept(); err == nil {
			f.serve(conn)
		}
	})
	c, err := s.Connect(t.Context(), someNode, targets.ClientOptions{ConnectTimeout: time.Second, OpTimeout: 300 * time.Millisecond,
		Dialer: dialTo(ln.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = ln.Close()
		serving.Wait()
	})
	return c
}

// do makes one operation against a fake server.
func do(t *testing.T, direct bool, script []answer, op history.Op) (history.Op, *fake, targets.Client) {
	t.Helper()
	f := &fake{script: script}
	s := newSystem(setting{copies: 3, direct: direct, ackWait: time.Second})
	s.ready.Store("q0-0", struct{}{})
	c := connectFake(t, f, s)
	c.Do(t.Context(), &op)
	f.mu.Lock()
	defer f.mu.Unlock()
	return op, f, c
}

func TestConnectIsBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // accepts into its backlog and says nothing, as a paused server
	s := newSystem(setting{copies: 1})
	start := time.Now()
	_, err = s.Connect(t.Context(), someNode, targets.ClientOptions{ConnectTimeout: 200 * time.Millisecond, Dialer: dialTo(ln.Addr().String())})
	if err == nil || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
