package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// Hopeless are the reasons for which a container waits that no waiting mends.
var Hopeless = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"}

// directTimeout bounds the wait for a pod's own address to answer.
const directTimeout = time.Second

// Reached tells whether a pod is reached at its own address; that nobody listens there
// yet is an answer, too.
func Reached(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil || errors.Is(err, syscall.ECONNREFUSED)
}

// Hello is the connection to a container's first process over which it gets what nobody
// else may see, and by which it tells why it ends if it does.
type Hello struct {
	cancel context.CancelFunc
	done   chan struct{}
	said   Said
}

// Hello hands a container's first process its input. remedy is what is made of a
// refusal of the API server's. The caller ends it.
func (a *API) Hello(ctx context.Context, pod, container string, input []byte, remedy func(error) error) *Hello {
	ctx, cancel := context.WithCancel(ctx)
	h := &Hello{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		err := a.Attach(ctx, pod, container, Streams{In: bytes.NewReader(input), Out: &h.said, Err: &h.said})
		if err != nil && ctx.Err() == nil {
			_, _ = h.said.Write([]byte("attach: " + Words(remedy(err))))
		}
	}()
	return h
}

// End ends the connection; the process goes on.
func (h *Hello) End() {
	h.cancel()
	<-h.done
}

// String is empty, or says what the process has said.
func (h *Hello) String() string { return h.said.String() }

// Carry has a command in a container read a file from its standard input.
func (a *API) Carry(ctx context.Context, pod, container, command, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var said Said
	if err := a.Exec(ctx, pod, container, []string{"sh", "-c", command}, Streams{In: file, Err: &said}); err != nil {
		return fmt.Errorf("%w%s", err, said.String())
	}
	return nil
}

// Said keeps the end of what a process says. Several may write to it.
type Said struct {
	mu   sync.Mutex
	text []byte
}

const maxSaid = 2 << 10 // bytes

// Write implements io.Writer.
func (s *Said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	if over := len(s.text) - maxSaid; over > 0 {
		s.text = slices.Delete(s.text, 0, over)
	}
	return len(p), nil
}

// String is empty, or says what was said.
func (s *Said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := strings.TrimSpace(string(s.text)); text != "" {
		return "; it says: " + OneLine(text)
	}
	return ""
}

// maxLine bounds the runes of what somebody else's words take of a message.
const maxLine = 600

// OneLine keeps somebody else's words on one line.
func OneLine(text string) string {
	runes := spelling.Printable(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), maxLine)])
}
