package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"
)

// announceLoop tells one peer the node's epoch for as long as the node is the
// primary, and hears of a newer one in the answer. An old primary and a new
// one find each other so, as soon as the network lets them.
func (s *Server) announceLoop(name, addr string) {
	var link net.Conn
	defer func() {
		if link != nil {
			s.untrack(link)
		}
	}()
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		if epoch, role := s.epochRole(); role == Primary {
			var err error
			if link, err = s.announce(link, addr, epoch); err != nil {
				s.log.Debug("announcing failed", "peer", name, "err", err)
				if link != nil {
					s.untrack(link)
					link = nil
				}
			}
		}
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) epochRole() (uint64, Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta.Epoch, s.meta.Role
}

// announce makes one exchange, over link if that is not nil. It returns the
// link, also with an error.
func (s *Server) announce(link net.Conn, addr string, epoch uint64) (net.Conn, error) {
	if link == nil {
		ctx, cancel := context.WithTimeout(s.ctx, dialTimeout)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		if !s.track(conn) {
			return nil, conn.Close()
		}
		link = conn
	}
	if err := link.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return link, err
	}
	out := redcon.AppendArray(nil, 3)
	out = redcon.AppendBulkString(out, "EPOCH")
	out = redcon.AppendBulkUint(out, epoch)
	out = redcon.AppendBulkString(out, s.opts.Name)
	if _, err := link.Write(out); err != nil {
		return link, err
	}
	known, primary, err := readEpoch(link)
	if err != nil {
		return link, err
	}
	if known > epoch {
		s.hear(known, s.opts.Peers[primary])
	}
	return link, nil
}

// maxLine bounds an answer to EPOCH.
const maxLine = 512

// readEpoch reads the answer "+epoch primary".
func readEpoch(r io.Reader) (epoch uint64, primary string, err error) {
	line, err := bufio.NewReaderSize(io.LimitReader(r, maxLine), maxLine).ReadString('\n')
	if err != nil {
		return 0, "", err
	}
	fields := strings.Fields(strings.TrimPrefix(line, "+"))
	if len(fields) == 0 || !strings.HasPrefix(line, "+") {
		return 0, "", errors.New("unexpected answer " + strconv.Quote(line))
	}
	if epoch, err = strconv.ParseUint(fields[0], 10, 64); err != nil {
		return 0, "", fmt.Errorf("unexpected answer: %w", err)
	}
	if len(fields) > 1 {
		primary = fields[1]
	}
	return epoch, primary, nil
}

// answerEpoch is the other side of announce: it notes the caller's epoch and
// tells the node's own, with the name of its primary if that is known.
func (s *Server) answerEpoch(epoch uint64, name string) string {
	s.hear(epoch, s.opts.Peers[name])
	s.mu.Lock()
	defer s.mu.Unlock()
	primary := ""
	if s.meta.Role == Primary {
		primary = s.opts.Name
	} else {
		for peer, addr := range s.opts.Peers {
			if addr == s.meta.Primary {
				primary = peer
			}
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", s.meta.Epoch, primary))
}
