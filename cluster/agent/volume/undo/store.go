// Package undo knows which of a folder's contents and names are durable, and makes
// the folder what a disk would have held if the power had gone.
//
// Writes go to the backing files at once. What a write replaces that was not
// synced since is kept, and a sync drops it; a cut puts it back. So the death of
// whoever keeps the log loses nothing.
package undo

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// How many pages are kept: of memory 64 MiB, and 1 GiB in all. When that is full
// everything counts as written back, as a kernel does that has too much to write.
const (
	memoryPages = 64 << 20 / Page
	mostPages   = 1 << 30 / Page
)

// Store is a folder, and what of it is not durable.
type Store struct {
	gate
	root  string
	real  bool // syncs are passed on
	names names
	pages pages

	mu    sync.Mutex
	files map[uint64]*File

	writes, syncs, written atomic.Uint64
}

// Options set up a Store.
type Options struct {
	Names string // cluster.NamesOrdered, NamesPosix, NamesDurable
	// NoSync: a sync of the folder's files makes durable what it has to, but is
	// not passed on to the machine's disk.
	NoSync bool
}

// Open takes the folder at root as it is for durable. Beside holds what is not: it
// has to be empty, and on the same file system.
func Open(root, beside string, o Options) (*Store, error) {
	s := &Store{root: root, real: !o.NoSync, files: map[uint64]*File{}}
	s.pages = pages{dir: beside, memory: memoryPages, limit: mostPages}
	stash := filepath.Join(beside, "stash")
	for _, dir := range []string{root, beside, stash} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the volume's folders: %w", err)
		}
	}
	fd, err := unix.Open(stash, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", stash, err)
	}
	s.names = newNames(s, o.Names, fd)
	return s, nil
}

// Root is the folder.
func (s *Store) Root() string { return s.root }

// Close lets go of what is open. What is not durable stays as it is.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.mu.Lock()
		if f.fd >= 0 {
			_ = unix.Close(f.fd)
			f.fd = -1
		}
		f.mu.Unlock()
	}
	s.names.close()
	s.pages.close()
}

// Use finds the file behind a descriptor, for as long as somebody has it open;
// Done ends that.
func (s *Store) Use(fd int) (*File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[st.Ino]
	if f == nil {
		f = &File{s: s, ino: st.Ino, fd: -1}
		s.files[st.Ino] = f
	}
	f.users++
	return f, nil
}

// Done ends a use. A file that has no name any more is forgotten with its last.
func (s *Store) Done(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.users--; f.users == 0 {
		s.drop(f)
	}
}

// drop forgets a file that nobody has open if it is durable or has no name. Called
// with mu.
func (s *Store) drop(f *File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users > 0 {
		return
	}
	if f.fd >= 0 {
		var st unix.Stat_t
		if f.pending != nil || unix.Fstat(f.fd, &st) != nil || st.Nlink > 0 {
			return
		}
		f.forget(&f.cur)
		for _, slot := range f.doomed {
			s.pages.drop(slot)
		}
		_ = unix.Close(f.fd)
		f.fd = -1
	}
	if s.files[f.ino] == f {
		delete(s.files, f.ino)
	}
}

// gone forgets a file whose last name may be gone.
func (s *Store) gone(ino uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[ino]; f != nil {
		s.drop(f)
	}
}

// writeBack makes durable what is kept of all files: of f, whose mu the caller has,
// and of those that nobody is writing to.
func (s *Store) writeBack(f *File) {
	s.written.Add(uint64(s.pages.count()))
	f.written()
	if !s.mu.TryLock() {
		return // it comes before f's
	}
	defer s.mu.Unlock()
	for _, other := range s.files {
		if other != f && other.mu.TryLock() {
			other.written()
			other.mu.Unlock()
		}
	}
}

// written makes durable what the writes since the last sync have replaced.
func (f *File) written() {
	if f.fd < 0 || f.pending != nil {
		return
	}
	if size, err := sizeOf(f.fd); err == nil {
		f.forget(&f.cur)
		f.cur.size = size
	}
}

// Stats are figures of a Store.
type Stats struct {
	Writes, Syncs uint64 // calls
	Kept          int    // pages
	WrittenBack   uint64 // pages, as there was no room for more
}

// Stats are the figures so far.
func (s *Store) Stats() Stats {
	return Stats{Writes: s.writes.Load() + s.names.count(), Syncs: s.syncs.Load(), Kept: s.pages.count(), WrittenBack: s.written.Load()}
}
