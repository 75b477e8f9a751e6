package own_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/own"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// The client: one connection of one worker.
type client struct {
	net.Conn
	in      *bufio.Reader
	server  own.Server
	options targets.ClientOptions
	broken  bool
}

func connect(ctx context.Context, s own.Server, o targets.ClientOptions) (targets.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	return &client{Conn: conn, in: bufio.NewReader(conn), server: s, options: o}, nil
}

func (c *client) Broken() bool { return c.broken }

func (c *client) Do(_ context.Context, op *history.Op) {
	if !kit.Begin(op, c.broken) {
		return
	}
	request, values := "get "+c.server.Key(op), c.options.Values.Of(op)
	if op.Kind == history.Write {
		request = "set " + c.server.Key(op) + " " + string(values.Append(nil, op.Value))
	}
	_ = c.SetDeadline(time.Now().Add(c.options.OpTimeout))
	fmt.Fprintln(c, request)
	answer, err := c.in.ReadString('\n')
	switch answer = strings.TrimSpace(answer); {
	case err != nil: // nobody knows what came of it, and a late answer must not be taken for the next one's
		kit.DoubtConn(op, err)
		c.broken = true
	case answer == "refused": // it certainly had no effect: only then is it a failure
		kit.Refuse(op, history.ErrNotPrimary)
	case answer == "failed":
		kit.Doubt(op, history.ErrServer)
	case op.Kind == history.Read && answer == "":
		op.Value, op.Outcome = history.Nil, history.OK
	case op.Kind == history.Read:
		if op.Value, err = values.Parse([]byte(answer)); err == nil {
			op.Outcome = history.OK
		}
	default:
		op.Outcome = history.OK
	}
}

// A test of a system that somebody is writing, here the one in serve_test.go: two
// servers, load, and what their clients saw.
func Example() {
	second, closeSecond := start("")
	defer closeSecond()
	first, closeFirst := start(second)
	defer closeFirst()
	runs, err := os.MkdirTemp("", "runs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(runs)
	system := own.System{Name: "lines", Kinds: []history.Kind{history.Read, history.Write}, Connect: connect,
		Status: func(_ context.Context, s own.Server) (targets.Status, error) {
			role := ask(s.Addr, "role")
			return targets.Status{Role: targets.Role(role), Healthy: role != ""}, nil
		}}
	plan := &aftershock.Plan{
		Name: "my-own", Seed: 7, Warmup: 200 * time.Millisecond, Duration: 2 * time.Second,
		Target:    aftershock.Target{Own: system.Target(), Attach: aftershock.Attach{Nodes: []string{first, second}}},
		Workloads: []workloads.Spec{{Type: "register", Clients: 4, Rate: 200}},
		Claims:    []string{"writes.lost == 0", "linearizable"},
	}
	result, err := aftershock.Run(context.Background(), plan, aftershock.Options{RunsDir: runs})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Verdict.Verdict)
	// Output: holds
}
