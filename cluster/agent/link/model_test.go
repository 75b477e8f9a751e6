package link

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func pathOf(links ...cluster.Link) (*path, []*tally) {
	var list []*effect
	var tallies []*tally
	for i, l := range links {
		tallies = append(tallies, &tally{})
		list = append(list, &effect{Link: l, tally: tallies[i], random: rand.New(rand.NewPCG(1, uint64(i)))})
	}
	return newPath(end{}, list, nil, 0), tallies
}

const ms = time.Millisecond

// Gilbert's model: the share lost is what was asked for, and so is the mean length of
// what is lost in a row.
func TestBursts(t *testing.T) {
	for _, c := range []cluster.Link{{Loss: 0.05}, {Loss: 0.02, Burst: 4}, {Loss: 0.3, Burst: 3}, {Loss: 0.5, Burst: 10}} {
		p, tallies := pathOf(c)
		lost, bursts, before := 0, 0, false
		const packets = 400_000
		for i := range packets {
			f := p.decide(1000, int64(i))
			if f.lost {
				lost++
				if !before {
					bursts++
				}
			}
			before = f.lost
		}
		share, length := float64(lost)/packets, float64(lost)/float64(bursts)
		want := c.Burst
		if want == 0 {
			want = 1 / (1 - c.Loss)
		}
		if math.Abs(share-c.Loss) > 0.05*c.Loss+0.002 || math.Abs(length-want) > 0.06*want {
			t.Errorf("%+v: %.4f is lost, %.2f in a row, want %.2f", c, share, length, want)
		}
		if tallies[0].lost != uint64(lost) {
			t.Errorf("%d of %d lost were counted", tallies[0].lost, lost)
		}
	}
}

// Delays add, the least rate counts, losses combine, and each fault counts for itself.
func TestEffectsCompose(t *testing.T) {
	p, tallies := pathOf(cluster.Link{Delay: 5 * ms}, cluster.Link{Delay: 7 * ms, Rate: 8e6}, cluster.Link{Rate: 80e6})
	if f := p.decide(1000, 0); f.lost || f.at != int64(13*ms) { // 1000 bytes at 8 Mbit/s are 1 ms
		t.Errorf("the first: %+v", f)
	}
	if f := p.decide(1000, 0); f.at != int64(14*ms) {
		t.Errorf("the second waits for the first: %+v", f)
	}
	for i, c := range tallies {
		if c.held != 2 {
			t.Errorf("fault %d counted %+v", i, c)
		}
	}
	p, tallies = pathOf(cluster.Link{Loss: 0.5}, cluster.Link{Loss: 0.5})
	lost := 0
	for range 20_000 {
		if p.decide(1, 0).lost {
			lost++
		}
	}
	if lost < 14_500 || lost > 15_500 || tallies[0].lost+tallies[1].lost != uint64(lost) || tallies[1].lost < 4_500 {
		t.Errorf("%d lost, %d and %d counted", lost, tallies[0].lost, tallies[1].lost)
	}
}

// A limited rate keeps its rate, and its buffer is bounded.
func TestRate(t *testing.T) {
	p, tallies := pathOf(cluster.Link{Rate: 10e6})
	bytes, last := 0, int64(0)
	for i := range 20_000 { // at 80 Mbit/s
		if f := p.decide(1000, int64(i)*int64(100*time.Microsecond)); !f.lost {
			bytes, last = bytes+1000, f.at
		}
	}
	if rate := float64(bytes) * 8 / time.Duration(last).Seconds(); math.Abs(rate-10e6) > 1e5 {
		t.Errorf("the rate is %.0f", rate)
	}
	if time.Duration(last) > 2*time.Second+mostBacklog+2*ms || tallies[0].lost == 0 {
		t.Errorf("the last goes at %s, lost %d", time.Duration(last), tallies[0].lost)
	}
}

// Only what is to be reordered overtakes, and it is counted.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := cluster.Link{Delay: time.Duration(rapid.IntRange(0, 20).Draw(t, "delay")) * ms, Jitter: time.Duration(rapid.IntRange(0, 10).Draw(t, "jitter")) * ms}
		if rapid.Bool().Draw(t, "reorder") {
			l.Reorder = 0.2
		}
		p, tallies := pathOf(l)
		var last int64
		overtaken := 0
		gap, at := int64(rapid.IntRange(0, 3).Draw(t, "gap"))*int64(ms), int64(0)
		for range 300 {
			at += gap
			f := p.decide(1, at)
			p.waiting = 1
			if f.at < last {
				overtaken++
			}
			last = max(last, f.at)
			if f.at < at || f.at > at+int64(p.longest(at))+int64(20*ms+40*ms) {
				t.Fatalf("what came at %d goes at %d", at, f.at)
			}
		}
		if l.Reorder == 0 && overtaken > 0 {
			t.Fatalf("%d overtook, which nobody asked for", overtaken)
		}
		if l.Reorder > 0 && l.Delay > 0 && tallies[0].reordered == 0 {
			t.Fatal("none was counted as reordered")
		}
	})
}

// Jitter spreads what comes seldom around the delay, and does not shift what comes
// in a stream far behind it.
func TestJitter(t *testing.T) {
	for _, gap := range []time.Duration{100 * ms, 100 * time.Microsecond} {
		p, _ := pathOf(cluster.Link{Delay: 20 * ms, Jitter: 3 * ms})
		var sum, squares float64
		const packets = 100_000
		for i := range packets {
			at := int64(i) * int64(gap)
			d := float64(p.decide(1, at).at-at) / float64(ms)
			sum, squares = sum+d, squares+d*d
		}
		mean := sum / packets
		deviation := math.Sqrt(squares/packets - mean*mean)
		if math.Abs(mean-20) > 1.5 || math.Abs(deviation-3) > 0.8 {
			t.Errorf("every %s: %.2f ms ± %.2f", gap, mean, deviation)
		}
	}
}

// A fault that ends leaves nothing waiting for it.
func TestWhatIsLeftDoesNotWait(t *testing.T) {
	slow, _ := pathOf(cluster.Link{Delay: time.Second})
	slow.decide(1, 0)
	quick := newPath(end{}, []*effect{{Link: cluster.Link{Delay: 10 * ms}, tally: &tally{}}}, slow, 0)
	if f := quick.decide(1, int64(ms)); f.at != int64(11*ms) {
		t.Errorf("it goes at %s", time.Duration(f.at))
	}
}

// packet makes a packet with a right checksum.
func packet(protocol byte, v6 bool, payload int) []byte {
	transport := 20
	b := []byte{0x45}
	if v6 {
		b, transport = []byte{0x60}, 40
	}
	head := map[byte]int{6: 20, 17: 8, 1: 8}[protocol]
	b = append(b, make([]byte, transport-1+head+payload)...)
	if v6 {
		b[6] = protocol
	} else {
		b[9] = protocol
	}
	for i := range payload {
		b[len(b)-1-i] = byte(i * 7)
	}
	if protocol == 6 {
		b[transport+12] = 5 << 4
	}
	h, _ := parseHeader(b)
	if _, at, ok := h.payload(b); ok {
		big.PutUint16(b[at:], h.sum(b))
	}
	return b
}

func TestCorrupt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		protocol byte
		v6       bool
		payload  int
		want     bool
	}{{6, false, 101, true}, {17, false, 30, true}, {6, true, 7, true}, {17, true, 1, true}, {6, false, 0, false}, {17, false, 0, false}, {1, false, 50, false}} {
		b := packet(c.protocol, c.v6, c.payload)
		was := string(b)
		if got := corrupt(b, random); got != c.want {
			t.Errorf("%+v: %t", c, got)
			continue
		}
		if !c.want {
			if string(b) != was {
				t.Errorf("%+v: it was changed all the same", c)
			}
			continue
		}
		h, _ := parseHeader(b)
		from, _, _ := h.payload(b)
		bits := 0
		for i := from; i < len(b); i++ {
			for d := b[i] ^ was[i]; d != 0; d &= d - 1 {
				bits++
			}
		}
		if bits != 1 || h.sum(b) != 0 { // over a right checksum the sum is 0
			t.Errorf("%+v: %d bits are flipped, the checksum is off by %#x", c, bits, h.sum(b))
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(packet(6, false, 10))
	f.Add(packet(17, true, 10))
	f.Fuzz(func(t *testing.T, b []byte) {
		corrupt(b, rand.New(rand.NewPCG(1, 1)))
		s := &socket{}
		s.each(b, func(q queued) { parseHeader(q.data) })
		_, _ = parseConnection(b)
	})
}

func TestParseHeader(t *testing.T) {
	b := packet(6, false, 0)
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	if h, ok := parseHeader(b); !ok || h.source != netip.MustParseAddr("10.0.0.1") || h.destination != netip.MustParseAddr("10.0.0.2") {
		t.Errorf("%+v", h)
	}
}
