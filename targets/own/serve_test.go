package own_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The system that somebody is writing: a primary that answers a write when its
// replica has it. A request is a line, and so is its answer.
type server struct {
	sync.Mutex
	data    map[string]string
	replica string // its address; empty: this is the replica
}

func (s *server) do(verb, key, value string) string {
	s.Lock()
	defer s.Unlock()
	switch {
	case verb == "role" && s.replica == "":
		return "replica"
	case verb == "role":
		return "primary"
	case verb == "get":
		return s.data[key]
	case verb == "set" && s.replica == "":
		return "refused"
	case verb == "set" && ask(s.replica, "copy "+key+" "+value) != "done":
		return "failed" // it may be there
	}
	s.data[key] = value
	return "done"
}

// start starts a server on a free port.
func start(replica string) (addr string, stop func()) {
	return (&server{data: map[string]string{}, replica: replica}).start()
}

func (s *server) start() (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.answer(conn) })
		}
	})
	return l.Addr().String(), func() {
		_ = l.Close()
		serving.Wait()
	}
}

// answer answers a connection's requests until it is closed.
func (s *server) answer(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewScanner(conn); in.Scan(); {
		verb, rest, _ := strings.Cut(in.Text(), " ")
		key, value, _ := strings.Cut(rest, " ")
		fmt.Fprintln(conn, s.do(verb, key, value))
	}
}

// ask makes one request; the answer is empty if there is none.
func ask(addr, request string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprintln(conn, request)
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer)
}
