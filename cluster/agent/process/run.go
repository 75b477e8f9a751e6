package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Run runs a command beside the server. Its output is not nil if it was
// started; the error tells how it ended.
func (s *Supervisor) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	c, pipe, err := s.startBeside(spec)
	if err != nil {
		return nil, err
	}
	defer pipe.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = s.children.signalOne(c, syscall.SIGKILL) })
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-c.done
		_ = pipe.SetReadDeadline(time.Now().Add(drainTimeout))
	}()
	output, dropped, err := readBounded(pipe, maxRunOutput)
	<-ended
	if dropped > 0 {
		output = append(output, droppedNote(dropped)...)
	}
	switch status := c.status; {
	case ctx.Err() != nil:
		return output, fmt.Errorf("%s: %w", spec.Command[0], ctx.Err())
	case status.Signaled():
		return output, fmt.Errorf("%s: ended by signal: %s", spec.Command[0], status.Signal())
	case status.ExitStatus() != 0:
		return output, fmt.Errorf("%s: exit status %d", spec.Command[0], status.ExitStatus())
	}
	return output, err
}

// Aside starts a command beside the server, of whose output nothing is kept. stop kills it and
// waits for its end; it may be called more than once.
func (s *Supervisor) Aside(spec cluster.ServerSpec) (pid int, stop func(), err error) {
	c, pipe, err := s.startBeside(spec)
	if err != nil {
		return 0, nil, err
	}
	return c.pid, func() {
		_, _ = s.children.signalOne(c, syscall.SIGKILL) // an error means that it has ended
		<-c.done
		_ = pipe.Close()
	}, nil
}

// startBeside makes everything ready for a command and starts it.
func (s *Supervisor) startBeside(spec cluster.ServerSpec) (*child, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, nil, errClosing
	}
	if spec.Root == "" && s.spec != nil {
		spec.Root = s.spec.Root // where the server's own programs are
	}
	in, err := s.placeOf(spec)
	if err != nil {
		return nil, nil, err
	}
	cmd, err := prepare(spec, s.o.DataDir, in)
	if err != nil {
		return nil, nil, err
	}
	if err := writeFiles(spec, s.o.DataDir, in, s.children.durable); err != nil {
		return nil, nil, err
	}
	return s.fork(cmd)
}

// readBounded reads to the end, or to r's deadline, and keeps the first limit
// bytes.
func readBounded(r io.Reader, limit int64) (kept []byte, dropped uint64, err error) {
	kept = []byte{}
	head, err := io.ReadAll(io.LimitReader(r, limit))
	kept = append(kept, head...)
	if err == nil {
		var n int64
		n, err = io.Copy(io.Discard, r)
		dropped = uint64(n)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return kept, dropped, err
}
