package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// serveHere runs an agent in this process as one that is not PID 1 of its node:
// it reaches its own children only.
func serveHere(t testing.TB, ctx context.Context, lease time.Duration) (netip.AddrPort, *Authority, <-chan error) {
	t.Helper()
	authority, secret := testKeys(t, "here")
	o, err := Options{Secret: secret, Lease: lease, DataDir: t.TempDir()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, o, listener, false) }()
	return netip.MustParseAddrPort(listener.Addr().String()), authority, ended
}

// testKeys are the keys of a launch and those of one of its agents.
func testKeys(t testing.TB, node string) (*Authority, Secret) {
	t.Helper()
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := authority.Secret(node)
	if err != nil {
		t.Fatal(err)
	}
	return authority, secret
}

func await(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the agent does not end")
		return nil
	}
}

func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func serverPID(t *testing.T, c *Client) int {
	t.Helper()
	output, err := c.Run(t.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", "until cat pid; do sleep 0.005; done 2>/dev/null"}})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(output)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

var sleeper = cluster.ServerSpec{Command: []string{"sh", "-c", "echo $$ >pid.new; mv pid.new pid; sleep 1000; exit 0"}}

func TestLeaseExpires(t *testing.T) {
	_, _, ended := serveHere(t, t.Context(), 60*time.Millisecond)
	if err := await(t, ended); !errors.Is(err, ErrLeaseExpired) { // nobody ever came
		t.Errorf("error %v", err)
	}

	const lease = 400 * time.Millisecond
	addr, keys, ended := serveHere(t, t.Context(), lease)
	c, err := keys.Dial(t.Context(), addr, "here", lease)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), sleeper); err != nil {
		t.Fatal(err)
	}
	pid := serverPID(t, c)
	select {
	case err := <-ended:
		t.Fatalf("ended although the harness lives: %v", err)
	case <-time.After(2 * lease):
	}
	if !alive(pid) {
		t.Error("the server ended although the harness lives")
	}
	c.cancel(ErrLost) // as when the harness dies: no request from now on
	if err := await(t, ended); !errors.Is(err, ErrLeaseExpired) {
		t.Errorf("error %v", err)
	}
	if alive(pid) {
		t.Error("the server outlives the lease")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsAgent(t *testing.T) {
	addr, keys, ended := serveHere(t, t.Context(), time.Minute)
	c, err := keys.Dial(t.Context(), addr, "here", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), sleeper); err != nil {
		t.Fatal(err)
	}
	pid := serverPID(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Error("the server outlives its agent")
	}
}

// Outside a PID namespace of its own, an agent signals its children's groups
// and nobody else.
func TestKillReachesOwnChildrenOnly(t *testing.T) {
	stranger, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
	if err != nil {
		t.Skipf("needs /bin/sleep: %v", err)
	}
	defer func() { _ = stranger.Kill(); _, _ = stranger.Wait() }()
	ctx, cancel := context.WithCancel(t.Context())
	addr, keys, ended := serveHere(t, ctx, time.Minute)
	c, err := keys.Dial(t.Context(), addr, "here", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), sleeper); err != nil {
		t.Fatal(err)
	}
	pid := serverPID(t, c)
	for _, kind := range []cluster.ActionKind{cluster.Pause, cluster.Resume, cluster.Kill} {
		if e, err := c.Do(t.Context(), cluster.Action{Kind: kind}); err != nil || !e.Changed {
			t.Errorf("%s: %+v, %v", kind, e, err)
		}
	}
	if alive(pid) || !alive(stranger.Pid) {
		t.Errorf("server alive: %t, stranger alive: %t", alive(pid), alive(stranger.Pid))
	}
	cancel()
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err == nil {
		t.Error("closing a channel to nobody is no error")
	}
}

// The channel is lost for good when the agent was silent for a lease.
func TestLostAfterLease(t *testing.T) {
	const lease = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	addr, keys, ended := serveHere(t, ctx, lease)
	c, err := keys.Dial(t.Context(), addr, "here", lease)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := await(t, ended); err != nil {
		t.Fatal(err)
	}
	select {
	case _, ok := <-c.Exits():
		if ok {
			t.Error("an exit of a server that never ran")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the loss is not noticed")
	}
	if _, err := c.Do(t.Context(), cluster.Action{Kind: cluster.Kill}); !errors.Is(err, ErrLost) {
		t.Errorf("action on a lost channel: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestEveryPathIsGuarded(t *testing.T) {
	o, err := Options{DataDir: t.TempDir()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t.Context(), o, 1, false)
	s.inFlight = make(chan struct{}, 1)
	handler := s.handler()
	for _, path := range []string{pathClock, pathStart, pathAction, pathProbe, pathRun, pathExits, pathOutput, pathTunnel, pathShutdown, "/", "/none"} {
		for _, state := range []*tls.ConnectionState{nil, {}, {PeerCertificates: []*x509.Certificate{{}}}} { // shown, but not verified
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
			r.TLS = state
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized || s.lastRequest.Load() != 0 {
				t.Errorf("%s with %+v: %d", path, state, w.Code)
			}
		}
	}
	harness := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	for _, c := range []struct {
		path, body string
		code       int
	}{
		{pathClock, "{}", 200}, {"/none", "{}", 404}, {pathAction, "{", 400}, {pathAction, `{"no":1}`, 400},
		{pathAction, `{"kind":"x"}`, 422}, {pathProbe, `{"addr":"x"}`, 422}, {pathProbe, `{"addr":"1.1.1.1:1","timeout":0}`, 422},
	} {
		r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
		r.TLS = harness
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != c.code {
			t.Errorf("%s %s: %d %s, want %d", c.path, c.body, w.Code, w.Body, c.code)
		}
	}
	s.inFlight <- struct{}{}
	r := httptest.NewRequest(http.MethodPost, pathRun, strings.NewReader("{}"))
	r.TLS = harness
	w := httptest.NewRecorder()
	if handler.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one request too many: %d", w.Code)
	}
}

// Streams of exits that break are taken up where they ended.
func TestExitsSurviveBrokenStreams(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc(pathClock, func(w http.ResponseWriter, _ *http.Request) { reply(w, clockReply{}) })
	mux.HandleFunc(pathShutdown, func(w http.ResponseWriter, _ *http.Request) { reply(w, struct{}{}) })
	mux.HandleFunc(pathExits, func(w http.ResponseWriter, r *http.Request) {
		var in exitsRequest
		if decode(w, r, &in) && in.From < 3 {
			reply(w, exitReply{Seq: in.From, Code: 100 + in.From})
		}
	})
	keys, secret := testKeys(t, "fake")
	fake := httptest.NewUnstartedServer(mux)
	var err error
	if fake.TLS, err = secret.server(); err != nil {
		t.Fatal(err)
	}
	fake.StartTLS()
	defer fake.Close()
	c, err := keys.Dial(t.Context(), netip.MustParseAddrPort(fake.Listener.Addr().String()), "fake", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for code := 100; code < 103; code++ {
		if e := <-c.Exits(); e.Code != code {
			t.Errorf("exit %+v, want code %d", e, code)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if e, ok := <-c.Exits(); ok {
		t.Errorf("another exit: %+v", e)
	}
}

func TestDialGivesUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(listener.Addr().String())
	_ = listener.Close()
	keys, _ := testKeys(t, "nobody")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := keys.Dial(ctx, addr, "nobody", 0); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}

func TestWaitUntil(t *testing.T) {
	base := time.Now()
	now := func() int64 { return int64(time.Since(base)) }
	for _, ahead := range []time.Duration{-time.Second, 0, 300 * time.Microsecond, 5 * time.Millisecond} {
		at := now() + int64(ahead)
		if err := waitUntil(t.Context(), now, at); err != nil || now() < at {
			t.Errorf("%s ahead: woke up %s early, %v", ahead, time.Duration(at-now()), err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := waitUntil(ctx, now, now()+int64(time.Minute)); !errors.Is(err, context.DeadlineExceeded) || now() > int64(30*time.Second) {
		t.Errorf("called off: %v", err)
	}
}
