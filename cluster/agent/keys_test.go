package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// impostor answers any request over TLS, with the certificate of config.
func impostor(t *testing.T, config *tls.Config) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, clockReply{}) })}
	go func() { _ = web.Serve(tls.NewListener(listener, config)) }()
	t.Cleanup(func() { _ = web.Close() })
	return netip.MustParseAddrPort(listener.Addr().String())
}

// The harness speaks with nobody but the agent of that node of that launch.
func TestTheHarnessRefusesWhoIsNotItsAgent(t *testing.T) {
	keys, secret := testKeys(t, "n1")
	_, foreign := testKeys(t, "n1")
	sibling, err := keys.Secret("n2")
	if err != nil {
		t.Fatal(err)
	}
	open := func(s Secret) *tls.Config { // an impostor takes any client
		config, err := s.server()
		if err != nil {
			t.Fatal(err)
		}
		config.ClientAuth = tls.NoClientCert
		return config
	}
	old := open(secret)
	old.MinVersion, old.MaxVersion = 0, tls.VersionTLS12
	keyless := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{secret.Certificate}, PrivateKey: keys.own.PrivateKey}}}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := keys.Dial(ctx, impostor(t, keyless), "n1", 0); err == nil {
		t.Error("a certificate without its key was taken")
	}
	for name, config := range map[string]*tls.Config{
		"another launch's agent": open(foreign), "another node's agent": open(sibling),
		"the harness's own certificate": {Certificates: []tls.Certificate{keys.own}},
		"an older TLS":                  old,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := keys.Dial(ctx, impostor(t, config), "n1", 0)
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	c, err := keys.Dial(t.Context(), impostor(t, open(secret)), "n1", 0) // the counter-check
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// The agent speaks with nobody but the harness of its launch.
func TestTheAgentRefusesWhoIsNotItsHarness(t *testing.T) {
	addr, keys, ended := serveHere(t, t.Context(), time.Minute)
	foreign, _ := testKeys(t, "here")
	secret, err := keys.Secret("here") // another agent of the launch is no harness either
	if err != nil {
		t.Fatal(err)
	}
	agents, err := secret.server()
	if err != nil {
		t.Fatal(err)
	}
	for name, certificates := range map[string][]tls.Certificate{
		"another launch's harness": {foreign.own}, "an agent": agents.Certificates, "nobody": nil,
	} {
		config := keys.client("here")
		config.Certificates = certificates
		conn, err := tls.Dial("tcp", addr.String(), config)
		if err == nil { // the answer to the own certificate comes later
			_, err = io.WriteString(conn, "POST "+pathShutdown+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			_ = conn.Close()
		}
		if err == nil {
			t.Errorf("%s was answered", name)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := foreign.Dial(ctx, addr, "here", 0); !errors.Is(err, ErrRefused) {
		t.Errorf("another launch's harness: %v", err)
	}
	endAgent(t, addr, keys, ended)
}

// endAgent shows that the agent lives and listens to its harness, and ends it.
func endAgent(t *testing.T, addr netip.AddrPort, keys *Authority, ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := keys.Dial(ctx, addr, "here", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the agent ended: %v", err)
	default:
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
}

// eavesdropper passes connections on and keeps what the harness said on each.
type eavesdropper struct {
	mu    sync.Mutex
	heard []*recording
}

// recording is what was said on one connection so far.
type recording struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.Write(p)
}

func (r *recording) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.said.Bytes())
}

func (e *eavesdropper) listen(t *testing.T, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", to.String())
			if err != nil {
				_ = from.Close()
				continue
			}
			heard := new(recording)
			e.mu.Lock()
			e.heard = append(e.heard, heard)
			e.mu.Unlock()
			go func() { _, _ = io.Copy(from, behind); _ = from.Close() }()
			go func() { _, _ = io.Copy(behind, io.TeeReader(from, heard)); _ = behind.Close() }()
		}
	}()
	return netip.MustParseAddrPort(listener.Addr().String())
}

// What was recorded of one conversation starts nothing when it is said again,
// and shows nothing.
func TestARecordedConversationIsWorthNothing(t *testing.T) {
	addr, keys, ended := serveHere(t, t.Context(), time.Minute)
	ear := &eavesdropper{}
	c, err := keys.Dial(t.Context(), ear.listen(t, addr), "here", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), sleeper); err != nil {
		t.Fatal(err)
	}
	pid := serverPID(t, c)
	if _, err := c.Do(t.Context(), cluster.Action{Kind: cluster.Kill}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), cluster.Action{Kind: cluster.Restart}); err != nil {
		t.Fatal(err)
	}
	for pid == serverPID(t, c) { // until the new one has written its own
		time.Sleep(time.Millisecond)
	}
	pid = serverPID(t, c)
	c.cancel(ErrLost) // as when the harness dies
	c.background.Wait()
	c.http.CloseIdleConnections()
	ear.mu.Lock()
	defer ear.mu.Unlock()
	for _, heard := range ear.heard {
		said := heard.bytes()
		if strings.Contains(string(said), pathAction) || strings.Contains(string(said), "kind") {
			t.Error("what is said can be read")
		}
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(said)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.Copy(io.Discard, conn) // until the agent has had enough
		_ = conn.Close()
	}
	if len(ear.heard) == 0 || !alive(pid) {
		t.Errorf("%d conversations heard, server alive: %t", len(ear.heard), alive(pid))
	}
	endAgent(t, addr, keys, ended)
}

// The keys cannot be asked for a second time, and an agent without them does not start.
func TestAnAgentWithoutKeysDoesNotStart(t *testing.T) {
	if err := Serve(t.Context(), Options{Listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "no keys") {
		t.Errorf("no keys: %v", err)
	}
	for _, text := range []string{"", "x", "{}", `{"authority":"AA=="}`} {
		s, err := ReadSecret(strings.NewReader(text))
		if err == nil {
			_, err = s.server()
		}
		if err == nil {
			t.Errorf("%q was taken for keys", text)
		}
	}
	pipe, end := io.Pipe()
	defer end.Close()
	if _, err := awaitSecret(pipe, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no keys") {
		t.Errorf("keys that do not come: %v", err)
	}
	_, secret := testKeys(t, "n1")
	got, err := ReadSecret(bytes.NewReader(append(secret.Encode(), "more"...)))
	if err != nil || !bytes.Equal(got.Key, secret.Key) {
		t.Errorf("%v", err)
	}
	if c, err := x509.ParseCertificate(got.Certificate); err != nil || c.IsCA {
		t.Errorf("an agent could certify others: %v", err)
	}
}
