package redis

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent as an answer means that none comes.
const silent = "silent"

// fake is the far end of a connection: it answers every command by its first
// word, with the answers of the table in turn; the last one repeats.
func fake(t *testing.T, answers map[string][]string) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	// A pipe has no buffer, so what is pipelined would block without one.
	replies := make(chan string, 4*moveBatch)
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		defer close(replies)
		in := bufio.NewReader(far)
		for {
			words, err := readCommand(in)
			if err != nil {
				return
			}
			list := answers[words[0]]
			if len(list) == 0 {
				replies <- "-ERR no answer to " + words[0] + "\r\n"
				continue
			}
			if list[0] != silent {
				replies <- list[0]
			}
			if len(list) > 1 {
				answers[words[0]] = list[1:]
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for reply := range replies {
			_, _ = io.WriteString(far, reply)
		}
	}()
	t.Cleanup(func() {
		_, _ = near.Close(), far.Close()
		for range 2 {
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Error("the far end did not finish")
			}
		}
	})
	return near
}

func readCommand(in *bufio.Reader) ([]string, error) {
	count := func(sign byte) (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if line[0] != sign {
			return 0, errors.New("not RESP: " + line)
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := count('*')
	if err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		size, err := count('$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		words[i] = string(word[:size])
	}
	return words, nil
}
