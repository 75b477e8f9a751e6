package undo

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is what is known of one backing inode: what of it is not durable.
type File struct {
	s   *Store
	ino uint64

	syncing sync.Mutex // one sync at a time; before mu

	mu      sync.Mutex // after those of names and of Store
	users   int        // open handles
	fd      int        // of the backing file, for as long as anything of it is not durable; -1: all is
	cur     span       // since the last sync began
	pending *span
	// doomed are pages whose sync failed: not durable, and no later sync writes them
	// unless they are written again.
	doomed map[int64]slot
}

// span is what the writes since some sync have replaced.
type span struct {
	size int64          // of the file as it was
	old  map[int64]slot // the pages as they were, by number
}

// begin opens the backing file, if it is not yet; fd is any descriptor of it.
// Called with mu, as all below.
func (f *File) begin(fd int) error {
	if f.fd >= 0 {
		return nil
	}
	n, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	size, err := sizeOf(n)
	if err != nil {
		_ = unix.Close(n)
		return err
	}
	f.fd, f.cur = n, span{size: size, old: map[int64]slot{}}
	return nil
}

func sizeOf(fd int) (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st.Size, err
}

// keep saves what n bytes at off hold, which are about to be replaced.
func (f *File) keep(off, n int64) error {
	end := min(off+n, f.cur.size)
	if off < end {
		buf := make([]byte, Page)
		for p := off / Page; p*Page < end; p++ {
			if err := f.keepPage(p, buf); err != nil {
				return err
			}
		}
	}
	for p, s := range f.doomed { // those behind the durable end; few, as a rule none
		if p >= off/Page && p*Page < off+n {
			delete(f.doomed, p)
			f.cur.old[p] = s
		}
	}
	return nil
}

// keepPage saves one page, unless it was since the last sync.
func (f *File) keepPage(p int64, buf []byte) error {
	if _, ok := f.cur.old[p]; ok {
		return nil
	}
	if s, ok := f.doomed[p]; ok {
		delete(f.doomed, p) // the next sync makes it durable
		f.cur.old[p] = s
		return nil
	}
	k, err := unix.Pread(f.fd, buf[:min(Page, f.cur.size-p*Page)], p*Page)
	if err != nil {
		return err
	}
	s, err := f.s.pages.put(buf[:k])
	if errors.Is(err, errFull) {
		f.s.writeBack(f)
		s, err = f.s.pages.put(buf[:k])
	}
	if err == nil {
		f.cur.old[p] = s
	}
	return err
}

// forget drops what a span has kept.
func (f *File) forget(u *span) {
	for _, s := range u.old {
		f.s.pages.drop(s)
	}
	u.old = map[int64]slot{}
}

// settle closes the backing file if all of it is durable.
func (f *File) settle() {
	if f.fd < 0 || f.pending != nil || len(f.cur.old) > 0 || len(f.doomed) > 0 {
		return
	}
	if size, err := sizeOf(f.fd); err != nil || size != f.cur.size {
		return
	}
	_ = unix.Close(f.fd)
	f.fd = -1
}

// Write writes data at off through fd.
func (f *File) Write(fd int, data []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(fd); err != nil {
		return 0, err
	}
	if err := f.keep(off, int64(len(data))); err != nil {
		return 0, err
	}
	f.s.writes.Add(1)
	return unix.Pwrite(fd, data, off)
}

// Truncate sets the file's size.
func (f *File) Truncate(fd int, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(fd); err != nil {
		return err
	}
	if err := f.keep(size, max(f.cur.size-size, 0)); err != nil {
		return err
	}
	f.s.writes.Add(1)
	return unix.Ftruncate(f.fd, size)
}

// Allocate is fallocate(2).
func (f *File) Allocate(fd int, mode uint32, off, size int64) error {
	if mode&^(unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0 {
		return syscall.EOPNOTSUPP
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(fd); err != nil {
		return err
	}
	if mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0 {
		if err := f.keep(off, size); err != nil {
			return err
		}
	}
	f.s.writes.Add(1)
	return unix.Fallocate(f.fd, mode, off, size)
}

// Sync makes durable what was written before it, and what names go with it. It
// enters the gate by itself, and leaves it while the disk is waited for; false:
// the power went before or meanwhile, and nobody may be told that it was done. fails: the
// disk fails, and as with ext4 and XFS the pages count as written from then on
// though they never were.
func (f *File) Sync(fails bool) (on bool, err error) {
	f.syncing.Lock() // before the gate, which the one that has it may wait for
	defer f.syncing.Unlock()
	if !f.s.Enter() {
		return false, nil
	}
	defer func() {
		if on {
			f.s.Leave()
		}
	}()
	f.s.syncs.Add(1)
	if !fails {
		f.s.names.syncFile()
	}
	f.mu.Lock()
	if fails {
		defer f.mu.Unlock()
		if f.fd < 0 {
			return true, nil
		}
		return true, f.doom()
	}
	if f.fd < 0 {
		f.mu.Unlock()
		return true, nil
	}
	size, err := sizeOf(f.fd)
	if err != nil {
		f.mu.Unlock()
		return true, err
	}
	before := f.cur
	if len(before.old) == 0 && before.size == size || len(f.doomed) > 0 && len(before.old) == 0 && !f.grew(size) {
		f.settle()
		f.mu.Unlock()
		return true, nil // nothing is dirty
	}
	f.pending, f.cur = &before, span{size: size, old: map[int64]slot{}}
	fd := f.fd
	f.mu.Unlock()

	on = true
	if f.s.real {
		f.s.Leave()
		err = unix.Fdatasync(fd)
		on = f.s.Enter()
	}
	if !on {
		return false, err // what is pending is undone with the rest
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = nil
	if err != nil {
		f.cur = f.merge(before)
		return true, errors.Join(err, f.doom())
	}
	f.forget(&before)
	f.settle()
	return true, nil
}

// grew tells whether the file has become longer since the sync that failed, by
// more than that has doomed.
func (f *File) grew(size int64) bool {
	last := int64(-1)
	for p := range f.doomed {
		last = max(last, p)
	}
	return size > (last+1)*Page
}

// merge is an older span with what was kept since.
func (f *File) merge(before span) span {
	for p, s := range f.cur.old {
		if _, ok := before.old[p]; ok || p*Page >= before.size {
			f.s.pages.drop(s)
			continue
		}
		before.old[p] = s
	}
	return before
}

// doom makes the pages of a failed sync ones that never become durable.
func (f *File) doom() error {
	size, err := sizeOf(f.fd)
	if err != nil {
		return err
	}
	if f.doomed == nil {
		f.doomed = map[int64]slot{}
	}
	buf := make([]byte, Page)
	if end := f.cur.size; size > end && end%Page != 0 {
		// The page in which the file ended: what it had stays.
		if err := f.keepPage(end/Page, buf); err != nil {
			return err
		}
	}
	for p, s := range f.cur.old {
		f.doomed[p] = s
	}
	for p := (f.cur.size + Page - 1) / Page; p*Page < size; p++ {
		if _, ok := f.doomed[p]; !ok {
			f.doomed[p] = slot{}
		}
	}
	f.cur.old = map[int64]slot{} // the durable size stays
	return nil
}
