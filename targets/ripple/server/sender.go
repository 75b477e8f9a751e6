package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// joinWindow is how far behind, in records, a replica may be when a sync
	// primary takes it into the in-sync set: commits then wait for it.
	joinWindow = 4096
	// sendBatch bounds the records of one message.
	sendBatch = 1024
)

// replicaState is what a primary knows of one replica in its epoch.
type replicaState struct {
	acked   uint64    // logged by the replica
	echoed  time.Time // when the last heartbeat that it acknowledged was sent
	joinAt  uint64    // a member is told that it is in sync once it has this much
	told    bool      // the member was told in this session
	spoken  int       // the protocol of its last session
	session *downstream
}

// downstream is one replica's session on the primary.
type downstream struct {
	name   string
	conn   net.Conn
	spoken int // the protocol
	gen    uint64
	epoch  uint64
	next   uint64 // index of the next record to send
	wake   chan struct{}
	hung   chan struct{} // closed when the acks ended
}

// hello is a replica's REPL command.
type hello struct {
	name     string
	protocol int // that is spoken with it
	epoch    uint64
	last     uint64
	epochs   []epochStart
}

// serveReplica streams the log to a replica until the connection or the node's
// primacy ends.
func (s *Server) serveReplica(c net.Conn, h hello) {
	d, common, err := s.admit(c, h)
	if err != nil {
		_, _ = fmt.Fprintf(c, "-%v\r\n", err) // the replica dials again in any case
		return
	}
	defer s.dismiss(d)
	if err := writeTo(c, continuation(d, common)); err != nil {
		return
	}
	s.log.Info("replica connected", "replica", h.name, "last", h.last, "common", common)
	var acks sync.WaitGroup
	acks.Go(func() {
		defer close(d.hung)
		err := s.readAcks(d)
		s.log.Debug("acks ended", "replica", h.name, "err", err)
	})
	err = s.sendLoop(d)
	_ = c.Close() // ends readAcks
	acks.Wait()
	s.log.Info("replica disconnected", "replica", h.name, "err", err)
}

// continuation is the answer to a replica's greeting.
func continuation(d *downstream, common uint64) []byte {
	if d.spoken < protocolSummed {
		return fmt.Appendf(nil, "+CONTINUE %d %d\r\n", d.epoch, common)
	}
	return fmt.Appendf(nil, "+CONTINUE %d %d %d\r\n", d.epoch, common, d.spoken)
}

// admit makes a session of a replica's greeting, or says why not.
func (s *Server) admit(c net.Conn, h hello) (*downstream, uint64, error) {
	s.mu.Lock()
	epoch := s.meta.Epoch
	s.mu.Unlock()
	if h.epoch > epoch {
		s.hear(h.epoch, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta.Role != Primary {
		return nil, 0, fmt.Errorf("NOTPRIMARY this node is a replica in epoch %d", s.meta.Epoch)
	}
	if h.epoch > s.meta.Epoch {
		return nil, 0, staleError(s.meta.Epoch, h.epoch)
	}
	common := commonPoint(s.epochs, uint64(len(s.frames)), h.epochs, h.last)
	common = min(common, s.written)
	d := &downstream{name: h.name, conn: c, spoken: h.protocol, gen: s.gen, epoch: s.meta.Epoch, next: common + 1,
		wake: make(chan struct{}, 1), hung: make(chan struct{})}
	r := s.replicas[h.name]
	if r == nil {
		r = &replicaState{joinAt: s.barrier}
		s.replicas[h.name] = r
	}
	if r.session != nil {
		_ = r.session.conn.Close() // the replica dialled again: the older session is dead
	}
	r.session, r.acked, r.told, r.spoken = d, 0, false, h.protocol
	return d, common, nil
}

// dismiss ends a session in the primary's books.
func (s *Server) dismiss(d *downstream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.replicas[d.name]; r != nil && r.session == d {
		r.session = nil
	}
	if s.bugs.has(bugSyncDegrades) {
		s.advance()
	}
}

var errSuperseded = errors.New("the session is over")

// sendLoop sends records as they are written, and heartbeats.
func (s *Server) sendLoop(d *downstream) error {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	var buf []byte
	var committed uint64
	due := true
	for {
		var err error
		if buf, err = s.nextMessages(d, buf[:0], &committed, due); err != nil {
			return err
		}
		due = false
		if len(buf) > 0 {
			if err := writeTo(d.conn, buf); err != nil {
				return err
			}
			if cap(buf) > maxBuffer {
				buf = nil
			}
			select {
			case <-tick.C:
				due = true
			default:
			}
			continue
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-d.hung:
			return errSuperseded
		case <-d.wake:
		case <-tick.C:
			due = true
		}
	}
}

// nextMessages appends to buf what is to be sent now. committed is what the
// replica was last told.
func (s *Server) nextMessages(d *downstream, buf []byte, committed *uint64, due bool) ([]byte, error) {
	s.mu.Lock()
	r := s.replicas[d.name]
	if s.gen != d.gen || r == nil || r.session != d {
		s.mu.Unlock()
		return nil, errSuperseded
	}
	last := min(s.written, d.next-1+sendBatch)
	batch := s.frames[d.next-1 : last]
	now := s.commit
	tell := s.opts.Replication == Sync && !r.told && s.isMember(d.name) && r.acked >= r.joinAt
	if tell {
		r.told = true
	}
	end := s.written
	s.mu.Unlock()

	size := 0
	for i, f := range batch {
		if size += len(f); size > maxBatch && i > 0 {
			batch = batch[:i]
			break
		}
	}
	if len(batch) > 0 || now != *committed {
		begin := len(buf)
		buf = sum(appendRecords(buf, now, batch), begin, d.spoken)
		d.next += uint64(len(batch))
		*committed = now
	}
	if tell {
		begin := len(buf)
		buf = sum(appendInSync(buf, d.epoch), begin, d.spoken)
	}
	if due {
		h := heartbeat{epoch: d.epoch, sent: int64(time.Since(s.start)), committed: now, last: end}
		begin := len(buf)
		buf = sum(h.append(buf), begin, d.spoken)
	}
	return buf, nil
}

// readAcks takes the replica's acknowledgements.
func (s *Server) readAcks(d *downstream) error {
	in := bufio.NewReaderSize(d.conn, 4<<10)
	var b [ackSize]byte
	for {
		if err := d.conn.SetReadDeadline(time.Now().Add(streamSilence)); err != nil {
			return err
		}
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return err
		}
		logged := binary.LittleEndian.Uint64(b[:])
		sent := int64(binary.LittleEndian.Uint64(b[8:]))
		if err := s.acknowledge(d, logged, sent); err != nil {
			return err
		}
	}
}

func (s *Server) acknowledge(d *downstream, logged uint64, sent int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.replicas[d.name]
	if s.gen != d.gen || r == nil || r.session != d {
		return errSuperseded
	}
	if logged > uint64(len(s.frames)) || sent > int64(time.Since(s.start)) {
		return fmt.Errorf("%w: ack of what was never sent", errMessage)
	}
	r.acked = max(r.acked, logged)
	if sent > 0 {
		if at := s.start.Add(time.Duration(sent)); at.After(r.echoed) {
			r.echoed = at
		}
	}
	if err := s.join(d.name, r); err != nil {
		return err
	}
	if !r.told {
		poke(d.wake)
	}
	s.advance()
	return nil
}

// join takes a replica that has nearly caught up into the in-sync set. From
// then on nothing is committed without it; once it has all that was committed
// before, it is told. So a replica that knows that it is in sync in the newest
// epoch has every committed record. The caller holds mu.
func (s *Server) join(name string, r *replicaState) error {
	if s.opts.Replication != Sync || s.isMember(name) || r.acked+joinWindow < s.written {
		return nil
	}
	m := s.meta
	m.Members = append(slices.Clone(m.Members), name)
	if err := s.keepMeta(m); err != nil {
		return err
	}
	s.meta = m
	r.joinAt = max(s.commit, r.joinAt)
	s.log.Info("replica joins the in-sync set", "replica", name, "members", m.Members)
	return nil
}

// wakeSenders tells every session that there is something to send. The caller
// holds mu.
func (s *Server) wakeSenders() {
	for _, r := range s.replicas {
		if r.session != nil {
			poke(r.session.wake)
		}
	}
}

// writeTo writes with the stream's deadline.
func writeTo(c net.Conn, b []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(streamSilence)); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}
