package ripple

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// TestPipe has a row for each way in which operations that are under way together
// end: a write, a read, a compare-and-set and another write.
func TestPipe(t *testing.T) {
	const lost, late = "lost", "late"
	for _, test := range []struct {
		name, answers, then string
		want                string
	}{
		{"all answered", "+OK\r\n$1\r\n7\r\n:1\r\n+OK\r\n", "", "ok ok ok ok"},
		{"one refused", "+OK\r\n-NOTPRIMARY\r\n*2\r\n:0\r\n$1\r\n9\r\n+OK\r\n", "", "ok fail:not-primary fail:compare ok"},
		{"one in doubt", "+OK\r\n-ERR x\r\n:1\r\n+OK\r\n", "", "ok unknown:server ok ok"},
		{"broken before the second", "+OK\r\n", lost, "ok unknown:conn-lost unknown unknown"},
		{"broken within the third", "+OK\r\n$1\r\n7\r\n*2\r\n:0", lost, "ok ok unknown:conn-lost unknown"},
		{"an answer of another", "+OK\r\n+OK\r\n:1\r\n+OK\r\n", "", "ok unknown:conn-lost unknown unknown"},
		{"no answer in time", "+OK\r\n$1\r\n7\r\n", late, "ok ok unknown:timeout unknown"},
		{"within an answer no more in time", "+OK\r\n$5\r\n12", late, "ok unknown:timeout unknown unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := net.Pipe()
			requests := make(chan string, 1)
			go func() {
				buf := make([]byte, 4096)
				n, _ := far.Read(buf)
				requests <- string(buf[:n])
				_, _ = far.Write([]byte(test.answers))
				if test.then == lost {
					_ = far.Close()
				}
			}()
			defer func() { _ = far.Close() }()
			p := newClient(near, 100*time.Millisecond).Pipe(4)
			ops := []history.Op{{Kind: history.Write, Key: 1, Value: 5}, {Kind: history.Read, Key: 1}, {Kind: history.CAS, Key: 1, Old: 5, Value: 6}, {Kind: history.Write, Key: 2, Value: 8}}
			for i := range ops {
				if !p.Start(&ops[i], int32(i)) {
					t.Fatal("refused")
				}
			}
			if unsent, err := p.Flush(); unsent > 0 || err != nil {
				t.Fatal(unsent, err)
			}
			if got := <-requests; strings.Count(got, "*") != 4 {
				t.Fatalf("sent %q: want all at once", got)
			}
			if got := received(t, p, ops); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if len(ops) > 1 && strings.HasPrefix(test.want, "ok ok") && ops[1].Value != 7 {
				t.Errorf("read %d", ops[1].Value)
			}
		})
	}
}

// received takes answers until every operation has one or the pipe ends, and tells
// in words how they ended. What the pipe did not tell of is unknown.
func received(t *testing.T, p targets.Pipe, ops []history.Op) string {
	t.Helper()
	told, tags, ok := make([]bool, len(ops)), []int32(nil), true
	for n := 0; ok && n < len(ops); n += len(tags) {
		tags, ok = p.Receive(tags[:0])
		for _, tag := range tags {
			told[tag] = true
		}
	}
	if ok {
		_ = p.Close()
	} else if err := p.Close(); err != nil {
		t.Error(err)
	}
	var words []string
	for i := range ops {
		switch {
		case !told[i]:
			words = append(words, "unknown")
		case ops[i].Error == history.ErrNone:
			words = append(words, ops[i].Outcome.String())
		default:
			words = append(words, ops[i].Outcome.String()+":"+ops[i].Error.String())
		}
	}
	return strings.Join(words, " ")
}

// torn takes so many bytes and then breaks.
type torn struct {
	net.Conn
	left int
}

func (c *torn) Write(b []byte) (int, error) {
	if n := c.left; n < len(b) {
		c.left = 0
		return n, io.ErrClosedPipe
	}
	c.left -= len(b)
	return len(b), nil
}

// TestPipeTellsWhatWasNeverSent: of what did not go out whole, that of which a
// byte did may have been sent.
func TestPipeTellsWhatWasNeverSent(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	one := history.Op{Kind: history.Write, Key: 1, Value: 5}
	c := newClient(near, time.Second)
	c.encode(&one)
	size := len(c.out)
	c.out = bytes.Clone(c.out[:0])
	for left, want := range map[int]int{0: 4, 1: 3, size - 1: 3, size: 3, size + 1: 2, 4*size - 1: 0} {
		near, far := net.Pipe()
		c := newClient(&torn{near, left}, time.Second)
		p := c.Pipe(4)
		ops := make([]history.Op, 4)
		for i := range ops {
			ops[i] = one
			p.Start(&ops[i], int32(i))
		}
		if unsent, err := p.Flush(); unsent != want || err == nil {
			t.Errorf("after %d bytes: %d were not sent, %v; want %d", left, unsent, err, want)
		}
		_, _ = p.Close(), far.Close()
		if late := one; p.Start(&late, 0) || late.Outcome != history.Fail {
			t.Error("a closed pipe takes an operation")
		}
	}
	_ = near.Close()
}

// TestPipeRefuses what is more than one request, and sends nothing of it.
func TestPipeRefuses(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	p := newClient(near, time.Second).Pipe(1)
	op := history.Op{Kind: history.Drain}
	if p.Start(&op, 0) || op.Outcome != history.Fail {
		t.Errorf("a drain in a pipeline is %v", op.Outcome)
	}
	ended := make(chan bool)
	go func() { _, ok := p.Receive(nil); ended <- ok }()
	_ = p.Close()
	if <-ended {
		t.Error("a closed pipe goes on")
	}
}

func BenchmarkPipe(b *testing.B) {
	near, far := net.Pipe()
	go func() {
		buf, answer := make([]byte, 1<<16), bytes.Repeat([]byte("$2\r\n12\r\n"), 16)
		for {
			if _, err := far.Read(buf); err != nil {
				return
			}
			if _, err := far.Write(answer); err != nil {
				return
			}
		}
	}()
	p := newClient(near, time.Minute).Pipe(16)
	defer func() { _, _ = p.Close(), far.Close() }()
	ops, tags := make([]history.Op, 16), make([]int32, 0, 16)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(ops) {
		for i := range ops {
			ops[i] = history.Op{Kind: history.Read, Key: 12}
			p.Start(&ops[i], int32(i))
		}
		if _, err := p.Flush(); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(ops); got += len(tags) {
			tags, _ = p.Receive(tags[:0])
		}
	}
}
