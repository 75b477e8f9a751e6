package mariadb

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestClassify(t *testing.T) {
	type want struct {
		outcome history.Outcome
		err     history.Error
		broken  bool
	}
	refused := func(e history.Error) want { return want{history.Fail, e, false} }
	unknown := want{history.Unknown, history.ErrServer, true}
	for number, want := range map[uint16]want{
		1290: refused(history.ErrNotPrimary), 1836: refused(history.ErrNotPrimary),
		1020: refused(history.ErrBusy), 1205: refused(history.ErrBusy), 1213: refused(history.ErrBusy), 1040: refused(history.ErrBusy), 1203: refused(history.ErrBusy),
		1047: refused(history.ErrNoQuorum),
		1044: refused(history.ErrServer), 1045: refused(history.ErrServer), 1142: refused(history.ErrServer),
		1049: refused(history.ErrGone), 1146: refused(history.ErrGone), 1064: refused(history.ErrServer),
		// what may have taken effect
		1053: unknown, 1180: unknown, 1317: unknown, 1927: unknown, 2006: unknown, 2013: unknown, 1062: unknown,
		1105: unknown, 1158: unknown, 1161: unknown, 1969: unknown, 4031: unknown, 0: unknown,
	} {
		outcome, err, broken := classify(&mysql.MySQLError{Number: number})
		if (struct {
			outcome history.Outcome
			err     history.Error
			broken  bool
		}{outcome, err, broken}) != want {
			t.Errorf("%d: %v %v broken %v, want %+v", number, outcome, err, broken, want)
		}
	}
	for _, c := range []struct {
		err error
		why history.Error
	}{
		{context.DeadlineExceeded, history.ErrTimeout}, {context.Canceled, history.ErrConnLost}, {driver.ErrBadConn, history.ErrConnLost},
		{mysql.ErrInvalidConn, history.ErrConnLost}, {mysql.ErrPktSync, history.ErrConnLost}, {io.ErrUnexpectedEOF, history.ErrConnLost},
		{errAnswer, history.ErrConnLost}, {&net.OpError{Err: timeoutError{}}, history.ErrTimeout},
		{errors.Join(errAnswer, &mysql.MySQLError{Number: 1927}), history.ErrServer},
	} {
		if outcome, why, broken := classify(c.err); outcome != history.Unknown || why != c.why || !broken {
			t.Errorf("%v: %v %v broken %v", c.err, outcome, why, broken)
		}
	}
	if len(refusals) != 14 {
		t.Errorf("%d refusals: each needs its line here", len(refusals))
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// fakeServer logs every client in and then answers commands by f; a nil answer
// closes the connection.
type fakeServer struct {
	conns, commands atomic.Int32
	listener        net.Listener
	done            sync.WaitGroup
}

func serveFake(t *testing.T, f func(command []byte) []byte) *fakeServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{listener: ln}
	s.done.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.done.Go(func() { s.serve(conn, f) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		s.done.Wait()
	})
	return s
}

func (s *fakeServer) serve(conn net.Conn, f func([]byte) []byte) {
	defer conn.Close()
	var hello bytes.Buffer
	hello.WriteString("\x0a10.11.0-MariaDB\x00\x01\x00\x00\x0012345678\x00")
	const capabilities = 0x1 | 0x2 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
	_ = binary.Write(&hello, binary.LittleEndian, uint16(capabilities&0xffff))
	hello.WriteString("\x2d\x02\x00")
	_ = binary.Write(&hello, binary.LittleEndian, uint16(capabilities>>16))
	hello.WriteString("\x15" + string(make([]byte, 10)) + "123456789012\x00mysql_native_password\x00")
	send(conn, 0, hello.Bytes())
	if _, err := receive(conn); err != nil {
		return
	}
	send(conn, 2, ok)
	for {
		command, err := receive(conn)
		if err != nil {
			return
		}
		s.commands.Add(1)
		answer := f(command)
		if answer == nil {
			return
		}
		send(conn, 1, answer)
	}
}

var ok = []byte{0, 0, 0, 2, 0, 0, 0}

func failure(number uint16) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{0xff}, number), "#HY000it says"...)
}

func send(w io.Writer, sequence byte, payload []byte) {
	n := len(payload)
	_, _ = w.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence}, payload...))
}

func receive(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(r, payload)
	return payload, err
}

func (s *fakeServer) connect(t *testing.T, timeout time.Duration) targets.Client {
	n := &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1")}
	c, err := connect(t.Context(), n, targets.ClientOptions{ConnectTimeout: 2 * time.Second, OpTimeout: timeout,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.listener.Addr().String())
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// One Do is one attempt: nothing below it connects again or sends again.
func TestALostConnectionIsNotTriedAgain(t *testing.T) {
	for kind, statement := range statements {
		if statement == "" {
			continue
		}
		s := serveFake(t, func([]byte) []byte { return nil })
		c := s.connect(t, time.Second)
		op := history.Op{Kind: history.Kind(kind)}
		c.Do(t.Context(), &op)
		if op.Outcome != history.Unknown || op.Error != history.ErrConnLost || !c.Broken() {
			t.Errorf("%v: %v %v broken %v", op.Kind, op.Outcome, op.Error, c.Broken())
		}
		c.Do(t.Context(), &op)
		if op.Outcome != history.Fail || op.Error != history.ErrConnect {
			t.Errorf("%v on a broken connection: %v %v", op.Kind, op.Outcome, op.Error)
		}
		if s.conns.Load() != 1 || s.commands.Load() != 1 {
			t.Errorf("%v: %d connections and %d commands for one attempt", op.Kind, s.conns.Load(), s.commands.Load())
		}
	}
}

func TestTimeOutIsUnknown(t *testing.T) {
	s := serveFake(t, func([]byte) []byte { time.Sleep(300 * time.Millisecond); return nil })
	c := s.connect(t, 50*time.Millisecond)
	op := history.Op{Kind: history.Write, Value: 1}
	start := time.Now()
	c.Do(t.Context(), &op)
	if op.Outcome != history.Unknown || op.Error != history.ErrTimeout || !c.Broken() {
		t.Errorf("%v %v broken %v", op.Outcome, op.Error, c.Broken())
	}
	if d := time.Since(start); d > 200*time.Millisecond {
		t.Errorf("it took %v with a time-out of 50ms", d)
	}
}

func TestRefusalKeepsTheConnection(t *testing.T) {
	s := serveFake(t, func([]byte) []byte { return failure(1290) })
	c := s.connect(t, time.Second)
	for n := int32(1); n <= 2; n++ {
		op := history.Op{Kind: history.Write, Value: 1}
		c.Do(t.Context(), &op)
		if op.Outcome != history.Fail || op.Error != history.ErrNotPrimary || c.Broken() || s.commands.Load() != n {
			t.Errorf("%v %v broken %v after %d commands", op.Outcome, op.Error, c.Broken(), s.commands.Load())
		}
	}
	op := history.Op{Kind: history.Enqueue}
	c.Do(t.Context(), &op)
	if op.Outcome != history.Fail || s.commands.Load() != 2 {
		t.Errorf("an operation that there is not: %v", op.Outcome)
	}
}
