package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tidwall/redcon"
)

const (
	maxConns   = 10000            // clients' connections
	maxCommand = 4 * maxPayload   // bytes of one command
	writeLimit = 10 * time.Second // to write an answer
)

var errTooLarge = errors.New("ERR Protocol error: command too large")

// acceptLoop serves each connection in its own goroutine.
func (s *Server) acceptLoop() {
	for {
		c, err := s.ln.Accept()
		if s.ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				s.fail(fmt.Errorf("accept connections: %w", err))
				return
			}
			s.log.Warn("accepting a connection failed", "err", err) // e.g. too many open files
			if !s.sleep(redialMin) {
				return
			}
			continue
		}
		if !s.track(c) {
			_ = c.Close()
			return
		}
		s.wg.Go(func() {
			defer s.untrack(c)
			s.serveConn(c)
		})
	}
}

// limited counts the bytes of one command.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// serveConn answers the commands of one connection until it ends.
func (s *Server) serveConn(c net.Conn) {
	s.mu.Lock()
	count := len(s.conns)
	s.mu.Unlock()
	if count > maxConns {
		_ = writeTo(c, []byte("-ERR max number of clients reached\r\n"))
		return
	}
	in := &limited{r: c, left: maxCommand}
	reader := redcon.NewReader(in)
	rq := &request{s: s, conn: c, w: redcon.NewWriter(c)}
	for {
		commands, err := readCommands(reader)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && s.ctx.Err() == nil {
				rq.w.WriteError("ERR " + err.Error())
				_ = rq.flush() // the connection ends in any case
			}
			return
		}
		in.left = maxCommand
		for _, command := range commands {
			rq.serve(command.Args)
			if rq.hello != nil {
				if rq.flush() == nil {
					s.serveReplica(c, *rq.hello)
				}
				return
			}
		}
		if err := rq.flush(); err != nil || rq.quit {
			return
		}
	}
}

func (rq *request) flush() error {
	if err := rq.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return rq.w.Flush()
}

// readCommands reads what a client has sent. The reader panics on some lengths
// near the largest integer, which must not end the node.
func readCommands(r *redcon.Reader) (commands []redcon.Command, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("protocol error: %v", p)
		}
	}()
	return r.ReadCommands()
}
