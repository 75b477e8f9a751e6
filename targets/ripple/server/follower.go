package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/redcon"
)

// maxUnwritten bounds the records that a replica has received but not yet
// written: it reads no further then, and TCP slows the primary's sender.
const maxUnwritten = 64 << 10

// upstream is a replica's session with its primary.
type upstream struct {
	conn      net.Conn
	spoken    int    // the protocol
	live      bool   // a heartbeat has come
	committed uint64 // what the primary last told
	sent      uint64 // the primary's last record, as the last heartbeat told
	echo      int64  // to be acknowledged: when the last heartbeat was sent
	wake      chan struct{}
	room      chan struct{}
}

// followLoop keeps a replica connected to its primary.
func (s *Server) followLoop() {
	wait := redialMin
	for s.ctx.Err() == nil {
		addr, gen := s.target()
		if addr == "" {
			select {
			case <-s.ctx.Done():
			case <-s.wakeFollower:
			}
			continue
		}
		began := time.Now()
		err := s.followOnce(addr, gen)
		s.log.Debug("session with the primary ended", "primary", addr, "err", err)
		if time.Since(began) > streamSilence {
			wait = redialMin
		}
		t := time.NewTimer(wait)
		select {
		case <-s.ctx.Done():
		case <-s.wakeFollower:
			wait = redialMin
		case <-t.C:
			wait = min(2*wait, redialMax)
		}
		t.Stop()
	}
}

// target is the primary to follow; empty if there is none.
func (s *Server) target() (addr string, gen uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta.Role == Primary {
		return "", s.gen
	}
	return s.meta.Primary, s.gen
}

// followOnce is one session: greet, cut the log to the common point, receive.
func (s *Server) followOnce(addr string, gen uint64) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.mu.Lock()
	s.endSession = cancel
	superseded := s.gen != gen
	s.mu.Unlock()
	if superseded {
		return errSuperseded
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	// A change of role ends the session wherever it is.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }() // closing twice is harmless
	in := bufio.NewReaderSize(conn, 64<<10)
	epoch, common, spoken, err := s.greet(conn, in)
	if err != nil {
		return err
	}
	up, err := s.attach(conn, gen, epoch, common)
	if err != nil {
		return err
	}
	up.spoken = spoken
	s.log.Info("following", "primary", addr, "epoch", epoch, "from", common+1, "protocol", spoken)
	var acks sync.WaitGroup
	acks.Go(func() {
		s.ackLoop(up)
		_ = conn.Close() // ends receive
	})
	err = s.receive(up, in)
	s.detach(up)
	acks.Wait()
	return err
}

// greet sends the node's epoch history and reads where the stream will begin, and which
// protocol it has.
func (s *Server) greet(conn net.Conn, in *bufio.Reader) (epoch, common uint64, spoken int, err error) {
	s.mu.Lock()
	args := append(s.greeting(), s.opts.Name, strconv.FormatUint(s.meta.Epoch, 10), strconv.Itoa(len(s.frames)))
	for _, e := range s.epochs {
		args = append(args, strconv.FormatUint(e.epoch, 10), strconv.FormatUint(e.first, 10))
	}
	s.mu.Unlock()
	out := redcon.AppendArray(nil, len(args))
	for _, a := range args {
		out = redcon.AppendBulkString(out, a)
	}
	if err := writeTo(conn, out); err != nil {
		return 0, 0, 0, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(streamSilence)); err != nil {
		return 0, 0, 0, err
	}
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, 0, 0, err
	}
	spoken = protocolFirst
	if args[0] == "REPL" {
		_, err = fmt.Sscanf(line, "+CONTINUE %d %d\r\n", &epoch, &common)
	} else {
		_, err = fmt.Sscanf(line, "+CONTINUE %d %d %d\r\n", &epoch, &common, &spoken)
	}
	if err == nil && (spoken < protocolFirst || spoken > s.opts.Protocol) {
		err = fmt.Errorf("%w: it speaks protocol %d", errMessage, spoken)
	}
	if err != nil {
		s.misunderstood(line)
		return 0, 0, 0, errors.New("the primary refuses: " + strings.TrimSpace(line))
	}
	s.greetsOld.Store(false) // the next primary, or this one after its next start, may be newer
	return epoch, common, spoken, nil
}

// attach begins the session in the node's books: it throws away what the
// primary does not have. The role must not have changed since gen.
func (s *Server) attach(conn net.Conn, gen, epoch, common uint64) (*upstream, error) {
	s.walMu.Lock()
	defer s.walMu.Unlock()
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen || s.closed {
		return nil, errSuperseded
	}
	if epoch < s.meta.Epoch {
		return nil, staleError(epoch, s.meta.Epoch)
	}
	if epoch > s.meta.Epoch {
		m := s.meta
		m.Epoch = epoch
		if err := s.keepMeta(m); err != nil {
			return nil, err
		}
		s.meta = m
		s.gen++
	}
	if common > uint64(len(s.frames)) {
		return nil, fmt.Errorf("%w: common point %d behind the log's end", errMessage, common)
	}
	if s.opts.Replication == Sync && common < s.commit {
		s.log.Warn("the primary lacks records that were committed", "common", common, "committed", s.commit)
	}
	if err := s.truncate(common); err != nil {
		return nil, err
	}
	s.upstream = &upstream{conn: conn, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	poke(s.upstream.wake) // the first ack tells what is logged
	return s.upstream, nil
}

func (s *Server) detach(up *upstream) {
	s.mu.Lock()
	if s.upstream == up {
		s.upstream = nil
	}
	s.mu.Unlock()
	_ = up.conn.Close() // ends ackLoop, which may be writing
	poke(up.wake)
}

// receive takes the primary's messages until the stream breaks, falls silent
// or is superseded.
func (s *Server) receive(up *upstream, in *bufio.Reader) error {
	for {
		if err := up.conn.SetReadDeadline(time.Now().Add(streamSilence)); err != nil {
			return err
		}
		m, err := readMessage(in, up.spoken)
		if err != nil {
			return err
		}
		unwritten, err := s.take(up, &m)
		if err != nil {
			return err
		}
		for unwritten > maxUnwritten {
			select {
			case <-s.ctx.Done():
				return s.ctx.Err()
			case <-up.room:
			}
			s.mu.Lock()
			unwritten = uint64(len(s.frames)) - s.written
			s.mu.Unlock()
		}
	}
}

// take puts one message into effect and returns how much of the log is not yet
// written.
func (s *Server) take(up *upstream, m *message) (unwritten uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != up {
		return 0, errSuperseded
	}
	switch m.kind {
	case msgRecords:
		if err := s.takeRecords(m.frames); err != nil {
			return 0, err
		}
		s.learnCommit(up, m.committed)
	case msgHeartbeat:
		if m.heartbeat.epoch != s.meta.Epoch {
			return 0, fmt.Errorf("%w: heartbeat of epoch %d in epoch %d", errMessage, m.heartbeat.epoch, s.meta.Epoch)
		}
		s.heard = time.Now() // before the acknowledgement: see leaseHeld
		up.live, up.echo, up.sent = true, m.heartbeat.sent, m.heartbeat.last
		s.learnCommit(up, m.heartbeat.committed)
		poke(up.wake)
	case msgInSync:
		if m.epoch != s.meta.Epoch {
			return 0, fmt.Errorf("%w: in sync in epoch %d, not %d", errMessage, m.epoch, s.meta.Epoch)
		}
		n := s.meta
		n.SyncEpoch = m.epoch
		if err := s.keepMeta(n); err != nil {
			return 0, err
		}
		s.meta = n
	}
	return uint64(len(s.frames)) - s.written, nil
}

// takeRecords appends a primary's records, which must continue the log. The
// caller holds mu.
func (s *Server) takeRecords(frames []frame) error {
	for _, f := range frames {
		last := uint64(len(s.frames))
		epoch := uint64(0)
		if last > 0 {
			epoch = s.frames[last-1].epoch()
		}
		if f.index() != last+1 || f.epoch() < epoch || f.epoch() > s.meta.Epoch {
			return fmt.Errorf("%w: record %d of epoch %d behind record %d of epoch %d",
				errMessage, f.index(), f.epoch(), last, epoch)
		}
		s.frames = append(s.frames, f)
		s.noteEpoch(f)
	}
	if len(frames) > 0 {
		poke(s.wakeWriter)
	}
	return nil
}

// learnCommit notes how much the primary has committed. The caller holds mu.
func (s *Server) learnCommit(up *upstream, committed uint64) {
	up.committed = max(up.committed, committed)
	if c := min(up.committed, uint64(len(s.frames))); c > s.commit {
		s.commit = c
		poke(s.wakeApplier)
	}
}

// ackLoop tells the primary what is logged and which heartbeat came last.
func (s *Server) ackLoop(up *upstream) {
	var b [ackSize]byte
	var lastEcho int64
	told, first := uint64(0), true
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-up.wake:
		}
		s.mu.Lock()
		current := s.upstream == up
		logged, echo := s.durable, up.echo
		s.mu.Unlock()
		if !current {
			return
		}
		if !first && logged == told && echo == lastEcho {
			continue
		}
		first, told, lastEcho = false, logged, echo
		binary.LittleEndian.PutUint64(b[:], logged)
		binary.LittleEndian.PutUint64(b[8:], uint64(echo))
		if err := writeTo(up.conn, b[:]); err != nil {
			return
		}
	}
}

// wakeUpstream tells the session that the log has grown.
func (s *Server) wakeUpstream() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != nil {
		poke(s.upstream.wake)
		poke(s.upstream.room)
	}
}
