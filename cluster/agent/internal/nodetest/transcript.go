package nodetest

import (
	"strings"
	"sync"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Transcript collects a server's output and reports when a text has come.
type Transcript struct {
	mu    sync.Mutex
	text  strings.Builder
	waits map[string]chan struct{}
}

func (s *Transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	s.check()
	return len(p), nil
}

func (s *Transcript) check() {
	for text, c := range s.waits {
		if strings.Contains(s.text.String(), text) {
			close(c)
			delete(s.waits, text)
		}
	}
}

// Has returns a channel that is closed when text has come.
func (s *Transcript) Has(text string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.waits[text] = c
	s.check()
	return c
}

func (s *Transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Follow copies the node's output until its channel closes.
func Follow(t *testing.T, n *cluster.Node) (*Transcript, <-chan error) {
	s, ended := &Transcript{waits: map[string]chan struct{}{}}, make(chan error, 1)
	go func() { ended <- n.CopyOutput(t.Context(), s) }()
	return s, ended
}
