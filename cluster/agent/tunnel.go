package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// tunnel connects the request's connection with a port of the node's loopback
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
	relay(s.running, from, buffered, to)
}

// relay copies both ways until both directions have ended or ctx has. One
// direction's end is passed on, so protocols that half-close work.
func relay(ctx context.Context, a net.Conn, aBuffered io.Reader, b net.Conn) {
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
