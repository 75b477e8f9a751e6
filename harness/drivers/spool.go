package drivers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	// spoolTimeout bounds the asking for what a lost driver has on its disk.
	spoolTimeout = 8 * time.Second
	// exitTimeout bounds the wait for the word that its process has ended.
	exitTimeout = 2 * time.Second
	// exitSlack is how much later than its node says a process may have ended.
	exitSlack = 10 * time.Millisecond
	// brokenTimeout is how long after its history broke off a driver is lost, if nothing
	// else says so before.
	brokenTimeout = 2 * time.Second
)

// spooled reads a driver's history as it comes, keeps it, and, if the driver is lost, goes
// on with what its disk has, if its node can be asked.
type spooled struct {
	fleet  *Fleet
	driver *remote
	from   net.Conn
	to     io.Writer
	offset uint64
	again  bool // the rest is from the disk
}

// Read implements io.Reader.
func (s *spooled) Read(p []byte) (int, error) {
	for {
		n, err := s.from.Read(p)
		if n > 0 {
			s.offset += uint64(n)
			if _, writeErr := s.to.Write(p[:n]); writeErr != nil {
				return n, writeErr
			}
			return n, nil
		}
		if err == nil || s.again || !s.lost() {
			return 0, err
		}
		s.again = true
		rest, spoolErr := s.fleet.spool(s.driver, s.offset)
		if spoolErr != nil {
			s.fleet.Log.Warn("a lost driver's disk cannot be read", "driver", s.driver.name, "err", spoolErr)
			return 0, err
		}
		s.from = rest
	}
}

// lost waits until it is known whether the driver has come to its end, or is lost.
func (s *spooled) lost() bool {
	timer := time.NewTimer(brokenTimeout)
	defer timer.Stop()
	select {
	case <-s.driver.ended:
		return false
	case <-s.fleet.ctx.Done():
		return false
	case <-timer.C:
		s.fleet.lose(s.driver, errors.New("its history broke off"))
	case <-s.driver.lost:
	}
	return true
}

// spool makes certain that a lost driver's process has ended, starts another one on its
// node and has that send what the disk has of the history from an offset on.
func (f *Fleet) spool(d *remote, offset uint64) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(f.ctx, spoolTimeout)
	defer cancel()
	f.bury(ctx, d)
	if err := d.node.Start(ctx, cluster.ServerSpec{Command: []string{cluster.Self, Command}}); err != nil {
		return nil, err
	}
	conn, err := f.dial(ctx, d, forSpool)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, offset)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = conn.SetReadDeadline(time.Now().Add(spoolTimeout))
	return conn, nil
}

// bury ends a lost driver's process, which may only be out of reach, and notes when that
// was certainly over.
func (f *Fleet) bury(ctx context.Context, d *remote) {
	ctx, cancel := context.WithTimeout(ctx, exitTimeout)
	defer cancel()
	_, _ = d.node.Do(ctx, cluster.Action{Kind: cluster.Kill}) // it may have ended before
	select {
	case exit, ok := <-d.node.Exits():
		if ok {
			d.mu.Lock()
			d.gone = max(f.Clock.At(exit.At)+int64(exitSlack), 1)
			d.mu.Unlock()
		}
	case <-ctx.Done():
	}
}

// tellSpool sends what the disk has of the history of a driver that was here before.
func (d *driver) tellSpool(conn net.Conn) error {
	from := make([]byte, 8)
	if _, err := io.ReadFull(conn, from); err != nil {
		return err
	}
	file, err := os.Open(d.dir + "/" + history.FileName)
	if err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(int64(binary.BigEndian.Uint64(from)), io.SeekStart); err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	_, err = io.Copy(conn, file)
	return err
}
