package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// tunnel connects the request's connection with a port of the node's loopback
// address, or of its own where nobody listens there: no network rule touches what
// stays in the node.
func (s *server) tunnel(w http.ResponseWriter, r *http.Request) {
	var in tunnelRequest
	if !decode(w, r, &in) {
		return
	}
	to, err := dialOwn(r.Context(), in.Port)
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

// dialOwn connects to a port of this node.
func dialOwn(ctx context.Context, port int) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	to, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return to, err
	}
	addrs, _ := net.InterfaceAddrs() // without them there is the first answer
	for _, a := range addrs {
		own, ok := a.(*net.IPNet)
		if !ok || own.IP.IsLoopback() || own.IP.IsLinkLocalUnicast() {
			continue
		}
		if to, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(own.IP.String(), strconv.Itoa(port))); err == nil {
			return to, nil
		}
	}
	return nil, err
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
