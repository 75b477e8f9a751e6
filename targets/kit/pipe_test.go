package kit

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// echo is a protocol of one byte, the operation's value, which comes back.
type echo struct{ in *bufio.Reader }

func (e *echo) Encode(b []byte, op *history.Op) ([]byte, bool) {
	return append(b, byte(op.Value)), true
}

func (e *echo) Answer(op *history.Op) error {
	b, err := e.in.ReadByte()
	if err != nil {
		return err
	}
	if b != byte(op.Value) {
		return errors.New("the answer to another operation")
	}
	op.Outcome = history.OK
	return nil
}

func (e *echo) Buffered() bool { return e.in.Buffered() > 0 }

// TestPipeOrder: answers are those of the operations in the order in which these were
// started, however many are flushed at once, and many more than can be under way.
func TestPipeOrder(t *testing.T) {
	const depth, all = 3, 600
	near, far := net.Pipe()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(far, far) // until it is closed
	}()
	codec := &echo{}
	p := NewPipe(near, 5*time.Second, depth, codec)
	codec.in = bufio.NewReader(p)
	told := make(chan int32, depth)
	go func() {
		defer close(told)
		for tags, ok := []int32(nil), true; ok; {
			tags, ok = p.Receive(tags[:0])
			for _, tag := range tags {
				told <- tag
			}
		}
	}()
	random := rand.New(rand.NewPCG(1, 1))
	var ops [depth]history.Op
	free, started, ended := []int32{0, 1, 2}, 0, 0
	for ended < all {
		n := min(random.IntN(len(free)+1), all-started)
		for range n {
			tag := free[0]
			free = free[1:]
			ops[tag] = history.Op{Kind: history.Write, Value: int64(started)}
			started++
			if !p.Start(&ops[tag], tag) {
				t.Fatal("refused")
			}
		}
		if n > 0 {
			if unsent, err := p.Flush(); unsent > 0 || err != nil {
				t.Fatal(unsent, err)
			}
		}
		if started == ended || n > 0 && len(free) > 0 && started < all {
			continue
		}
		tag, ok := <-told
		if !ok || ops[tag].Outcome != history.OK || ops[tag].Value != int64(ended) {
			t.Fatalf("%+v, more %v, after %d", ops[tag], ok, ended)
		}
		ended++
		free = append(free, tag)
	}
	_ = p.Close()
	for tag := range told {
		t.Errorf("%d ended twice", tag)
	}
	_ = far.Close()
	<-back
}
