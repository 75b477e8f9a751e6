package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// exits streams one JSON object for each of the server's exits.
func (s *server) exits(w http.ResponseWriter, r *http.Request) {
	var in exitsRequest
	if !decode(w, r, &in) {
		return
	}
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	encoder := json.NewEncoder(w)
	for seq := in.From; ; {
		e, ok := s.node.exits.next(r.Context(), seq)
		if !ok || encoder.Encode(e) != nil || flusher.Flush() != nil {
			return
		}
		seq = e.Seq + 1
	}
}

// output streams the server's output, from the oldest byte that is kept.
func (s *server) output(w http.ResponseWriter, r *http.Request) {
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	buf := make([]byte, 64<<10)
	for position := uint64(0); ; {
		n, after, ok := s.node.ring.next(r.Context(), position, buf)
		if !ok {
			return
		}
		if _, err := w.Write(buf[:n]); err != nil || flusher.Flush() != nil {
			return
		}
		position = after
	}
}

// tunnel joins the request's connection to a port of the node's loopback
// address, which no network rule touches.
func (s *server) tunnel(w http.ResponseWriter, r *http.Request) {
	var in tunnelRequest
	if !decode(w, r, &in) {
		return
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	to, err := dialer.DialContext(r.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(in.Port)))
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	defer to.Close()
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, fmt.Errorf("tunnel: %w", err))
		return
	}
	defer from.Close()
	s.tunnels.Add(1)
	defer s.tunnels.Done()
	_ = from.SetDeadline(time.Time{})
	_, err = io.WriteString(from, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+tunnelName+"\r\n\r\n")
	if err != nil {
		return
	}
	join(s.ctx, from, buffered, to)
}

// join copies both ways until both directions have ended or ctx has. One
// direction's end is passed on, so protocols that half-close work.
func join(ctx context.Context, a net.Conn, aBuffered io.Reader, b net.Conn) {
	stop := context.AfterFunc(ctx, func() {
		_ = a.Close()
		_ = b.Close()
	})
	defer stop()
	var copies sync.WaitGroup
	oneWay := func(dst net.Conn, src io.Reader) {
		if _, err := io.Copy(dst, src); err != nil {
			_ = a.Close() // broken: the other direction has no use any more
			_ = b.Close()
			return
		}
		if half, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	copies.Go(func() { oneWay(b, aBuffered) })
	copies.Go(func() { oneWay(a, b) })
	copies.Wait()
}

// run runs a command to its end and returns its output.
func (s *server) run(ctx context.Context, spec cluster.ServerSpec) (runReply, error) {
	output, err := s.node.run(ctx, spec)
	if err != nil && output == nil {
		return runReply{}, err
	}
	r := runReply{Output: output}
	if err != nil {
		r.Error = err.Error()
	}
	return r, nil
}

// run runs a command beside the server. Its output is not nil if it was
// started; the error tells how it ended.
func (n *node) run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	c, pipe, err := n.startBeside(spec)
	if err != nil {
		return nil, err
	}
	defer pipe.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = n.procs.signalOne(c, syscall.SIGKILL) })
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

// startBeside makes everything ready for a command and starts it.
func (n *node) startBeside(spec cluster.ServerSpec) (*child, *os.File, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return nil, nil, errEnding
	}
	cmd, err := prepare(spec, n.o.DataDir, os.Environ())
	if err != nil {
		return nil, nil, err
	}
	if err := writeFiles(spec, n.o.DataDir); err != nil {
		return nil, nil, err
	}
	return n.fork(cmd)
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
