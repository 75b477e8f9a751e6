package ripple

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestAnswersThatBreakTheConnection(t *testing.T) {
	for _, answer := range []string{
		"", "+OK", ":1\r\n", "$3\r\nabc\r\n", "$-2\r\n", "*1\r\n:1\r\n", "?\r\n", "\r\n", "$99999999999\r\n", "$1\r\nxyz", "+OK\n",
		strings.Repeat("+", 3*4096),
	} {
		near, far := net.Pipe()
		go func() {
			buf := make([]byte, 1024)
			_, _ = far.Read(buf)
			_, _ = far.Write([]byte(answer))
			_ = far.Close()
		}()
		c := newClient(near, time.Second)
		op := do(t, c, history.Op{Kind: history.Read})
		if op.Outcome != history.Unknown || op.Error != history.ErrConnLost || !c.Broken() {
			t.Errorf("%.20q: %v %v broken %v", answer, op.Outcome, op.Error, c.Broken())
		}
		_ = c.Close()
	}
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]struct {
		outcome history.Outcome
		err     history.Error
	}{
		"NOTPRIMARY this node is a replica": {history.Fail, history.ErrNotPrimary},
		"NOQUORUM the lease ran out":        {history.Fail, history.ErrNoQuorum},
		"BUSY":                              {history.Fail, history.ErrBusy},
		"WRONGTYPE no":                      {history.Fail, history.ErrServer},
		"STEPPEDDOWN unknown":               {history.Unknown, history.ErrServer},
		"ERR anything":                      {history.Unknown, history.ErrServer},
		"BUSYNESS":                          {history.Unknown, history.ErrServer},
		"":                                  {history.Unknown, history.ErrServer},
	} {
		if outcome, err := classify(text); outcome != want.outcome || err != want.err {
			t.Errorf("%q: %v %v", text, outcome, err)
		}
	}
}

// A drain tells what it received, however it ends.
func TestDrain(t *testing.T) {
	got := func(v string) string { return "$" + strconv.Itoa(len(v)) + "\r\n" + v + "\r\n" }
	const slow = "slow" // takes longer than an operation may
	for _, test := range []struct {
		answers  []string
		outcome  history.Outcome
		err      history.Error
		elements []int64
		broken   bool
	}{
		{[]string{"$-1\r\n"}, history.OK, history.ErrNone, nil, false},
		{[]string{got("3"), got("4"), "$-1\r\n"}, history.OK, history.ErrNone, []int64{3, 4}, false},
		{[]string{got("3"), "-NOTPRIMARY this node is a replica\r\n"}, history.Fail, history.ErrNotPrimary, []int64{3}, false},
		{[]string{got("3"), "-STEPPEDDOWN\r\n"}, history.Unknown, history.ErrServer, []int64{3}, false},
		{[]string{got("3"), ""}, history.Unknown, history.ErrConnLost, []int64{3}, true},
		{[]string{got("3"), got("x")}, history.Unknown, history.ErrConnLost, []int64{3}, true},
		{[]string{got("3"), slow}, history.Unknown, history.ErrTimeout, []int64{3}, true},
	} {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			buf := make([]byte, 1024)
			for _, answer := range test.answers {
				if _, err := far.Read(buf); err != nil {
					return
				}
				if answer == slow {
					_, _ = far.Read(buf) // ends with the connection
					return
				}
				_, _ = far.Write([]byte(answer))
			}
		}()
		c := newClient(near, 200*time.Millisecond)
		op := do(t, c, history.Op{Kind: history.Drain, Value: history.Nil, Elements: []int64{8, 9}})
		if op.Outcome != test.outcome || op.Error != test.err || !slices.Equal(op.Elements, test.elements) || op.Value != history.Nil || c.Broken() != test.broken {
			t.Errorf("%q: %v %v %v %d, broken %v", test.answers, op.Outcome, op.Error, op.Elements, op.Value, c.Broken())
		}
		_ = c.Close()
	}
}

// A drain that has too much to take ends in time, having lost nothing.
func TestDrainEndsInTime(t *testing.T) {
	near, far := net.Pipe()
	sent := make(chan int64)
	go func() {
		n := int64(0)
		buf := make([]byte, 1024)
		for {
			if _, err := far.Read(buf); err != nil {
				sent <- n
				return
			}
			n++
			text := strconv.FormatInt(n, 10)
			_, _ = far.Write([]byte("$" + strconv.Itoa(len(text)) + "\r\n" + text + "\r\n"))
		}
	}()
	c := newClient(near, time.Second) // of which a quarter is left for the last answer
	op := do(t, c, history.Op{Kind: history.Drain, Value: history.Nil})
	_ = c.Close()
	if n := <-sent; op.Outcome != history.Fail || op.Error != history.ErrTimeout || n == 0 || int64(len(op.Elements)) != n {
		t.Errorf("%v %v, %d of %d", op.Outcome, op.Error, len(op.Elements), n)
	}
}

func BenchmarkClient(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	_ = ln.Close()
	answer := []byte("$3\r\n123\r\n")
	go func() {
		buf := make([]byte, 1024)
		for {
			if _, err := far.Read(buf); err != nil {
				return
			}
			if _, err := far.Write(answer); err != nil {
				return
			}
		}
	}()
	c := newClient(near, time.Minute)
	defer func() { _, _ = c.Close(), far.Close() }()
	op := history.Op{Kind: history.Read, Key: 12}
	b.ReportAllocs()
	for b.Loop() {
		c.Do(context.Background(), &op)
		if op.Outcome != history.OK {
			b.Fatal(op)
		}
	}
}
