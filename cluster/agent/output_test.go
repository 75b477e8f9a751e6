package agent_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// transcript collects a server's output and tells when a text has come.
type transcript struct {
	mu    sync.Mutex
	text  strings.Builder
	waits map[string]chan struct{}
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	s.check()
	return len(p), nil
}

func (s *transcript) check() {
	for text, c := range s.waits {
		if strings.Contains(s.text.String(), text) {
			close(c)
			delete(s.waits, text)
		}
	}
}

// has returns a channel that is closed when text has come.
func (s *transcript) has(text string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.waits[text] = c
	s.check()
	return c
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// follow copies the node's output until its channel closes.
func follow(t *testing.T, n *cluster.Node) (*transcript, <-chan error) {
	s, ended := &transcript{waits: map[string]chan struct{}{}}, make(chan error, 1)
	go func() { ended <- n.CopyOutput(t.Context(), s) }()
	return s, ended
}

func TestOutput(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	output, _ := follow(t, n)
	spec := cluster.ServerSpec{Command: []string{"sh", "-c", "echo first; echo second >&2; exec sleep 1000"}}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		select {
		case <-output.has(text):
		case <-time.After(10 * time.Second):
			t.Fatalf("%q did not come while the server runs: %q", text, output)
		}
	}
	do(t, n, cluster.Action{Kind: cluster.Kill})

	spec.Command[2] = "head -c 3000000 /dev/zero | tr '\\0' x; echo last; exec sleep 1000"
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	<-output.has("last\n")
	late, _ := follow(t, n)
	<-late.has("last\n")
	if text := late.String(); !strings.HasPrefix(text, "\n[aftershock: ") || strings.Count(text, "x") < 1<<20-200 || strings.Contains(text, "first") {
		t.Errorf("%d bytes for a late reader, beginning %q", len(text), text[:60])
	}
}
