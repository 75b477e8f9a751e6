package agent

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// tunnelTo is a tunnel through an agent of this process to a server that answers
// each connection by serve.
func tunnelTo(b *testing.B, serve func(net.Conn)) net.Conn {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	ctx, cancel := context.WithCancel(b.Context())
	addr, keys, ended := serveHere(b, ctx, time.Minute)
	c, err := keys.Dial(b.Context(), addr, "here", time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := c.DialServer(b.Context(), listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		_ = c.Close()
		<-ended
		cancel()
	})
	return conn
}

// BenchmarkTunnel is the time of one small question and its answer, which is what
// a look at a server's state costs.
func BenchmarkTunnel(b *testing.B) {
	conn := tunnelTo(b, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	buf := make([]byte, 64)
	for b.Loop() {
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTunnelThroughput is what a dump of a server's data costs.
func BenchmarkTunnelThroughput(b *testing.B) {
	chunk := make([]byte, 1<<20)
	conn := tunnelTo(b, func(conn net.Conn) {
		for {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 1<<20)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTunnelDial is the cost of a new connection.
func BenchmarkTunnelDial(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	addr, keys, ended := serveHere(b, ctx, time.Minute)
	c, err := keys.Dial(ctx, addr, "here", time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		conn, err := c.DialServer(ctx, listener.Addr().(*net.TCPAddr).Port)
		if err != nil {
			b.Fatal(err)
		}
		other, err := listener.Accept()
		if err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
		_ = other.Close()
	}
	_ = c.Close()
	<-ended
}
