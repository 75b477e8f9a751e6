package link_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

// BenchmarkRoundTrip: one round trip of a line over TCP, without a link fault and
// with delays on what the node receives. Processors that have been idle for long wake
// up late, which a delay has in it and no delay has not; silence before each round
// trip shows it.
func BenchmarkRoundTrip(b *testing.B) {
	c := nodetest.Launch(b, 1)
	node := c.Nodes()[0]
	nodetest.Serve(b, node)
	conn := dial(b, node)
	run := func(b *testing.B, silence time.Duration) {
		var all []time.Duration
		for b.Loop() {
			time.Sleep(silence)
			_, took := conn.ask(b, "ping")
			all = append(all, took)
		}
		slices.Sort(all)
		at := func(share float64) float64 {
			return float64(all[min(len(all)-1, int(share*float64(len(all))))]) / 1e3
		}
		b.ReportMetric(at(.5), "p50-µs")
		b.ReportMetric(at(.99), "p99-µs")
	}
	b.Run("plain", func(b *testing.B) { run(b, 0) })
	for _, of := range []struct{ delay, silence time.Duration }{{0, 0}, {ms, 0}, {0, ms}, {10 * ms, 0}, {0, 10 * ms}, {100 * ms, 0}, {0, 100 * ms}} {
		b.Run(fmt.Sprintf("delay=%s/silence=%s", of.delay, of.silence), func(b *testing.B) {
			shape(b, node, "f1", cluster.Link{Peer: c.HarnessAddr(), Delay: of.delay})
			run(b, of.silence)
			unshape(b, node, "f1")
		})
	}
}

// BenchmarkStream: how much one TCP connection carries to a node, once its window has
// grown: with a delay, that takes seconds.
func BenchmarkStream(b *testing.B) {
	c := nodetest.Launch(b, 1)
	node := c.Nodes()[0]
	nodetest.Serve(b, node)
	conn := dial(b, node)
	chunk := make([]byte, 1<<20)
	stream := func(b *testing.B, chunks int) {
		_ = conn.SetDeadline(time.Now().Add(10 * time.Minute))
		if _, err := fmt.Fprintf(conn, "take %d\n", int64(chunks)*int64(len(chunk))); err != nil {
			b.Fatal(err)
		}
		for range chunks {
			if _, err := conn.Write(chunk); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := conn.lines.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	run := func(b *testing.B) {
		b.SetBytes(int64(len(chunk)))
		stream(b, b.N)
	}
	b.Run("plain", run)
	for name, link := range map[string]cluster.Link{
		"delay=0s": {}, "delay=1ms": {Delay: ms}, "delay=10ms": {Delay: 10 * ms}, "delay=100ms": {Delay: 100 * ms},
		"loss=0.01%": {Loss: 0.0001}, "rate=100mbit": {Rate: 100e6}, "rate=10mbit": {Rate: 10e6}, "rate=1gbit": {Rate: 1e9},
	} {
		b.Run(name, func(b *testing.B) {
			link.Peer = c.HarnessAddr()
			shape(b, node, "f1", link)
			if link.Delay > 0 {
				stream(b, 1000)
			}
			b.ResetTimer()
			run(b)
			unshape(b, node, "f1")
		})
	}
}
