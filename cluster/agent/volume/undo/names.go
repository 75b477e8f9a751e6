package undo

import (
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// names knows which names are not durable. Of each directory in which some are, it
// knows what each of those led to when it was.
type names struct {
	s    *Store
	mode string

	mu      sync.Mutex
	dirs    map[uint64]*dir
	refs    map[uint64]int    // by inode: how many durable names are kept here that led to it
	stashed map[uint64]string // by inode: its name in the stash, which keeps it
	stash   int               // a descriptor
	last    int               // name in the stash
	changes uint64
}

// dir is a directory with names that are not durable.
type dir struct {
	ino  uint64
	fd   int // by which it is found wherever it was moved
	recs map[string]*rec
}

// rec is one name that is not what it durably was.
type rec struct {
	dir     *dir
	name    string
	durable uint64 // the inode that it led to; 0: none
	with    *group // what becomes durable with it
}

// group are the names that become durable together: the two of a rename.
type group struct{ recs []*rec }

func newNames(s *Store, mode string, stash int) names {
	return names{s: s, mode: mode, stash: stash, dirs: map[uint64]*dir{}, refs: map[uint64]int{}, stashed: map[uint64]string{}}
}

func (n *names) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.dirs {
		_ = unix.Close(d.fd)
	}
	n.dirs = map[uint64]*dir{}
	_ = unix.Close(n.stash)
}

func (n *names) count() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes
}

// at is an open directory, given by its path.
type at struct {
	fd  int
	ino uint64
}

func openAt(path string) (at, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return at{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return at{}, err
	}
	return at{fd, st.Ino}, nil
}

func (a at) close() { _ = unix.Close(a.fd) }

// entry is what a name leads to; 0: nothing.
func entry(fd int, name string) (ino uint64, isDir bool, err error) {
	var st unix.Stat_t
	switch err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err {
	case nil:
		return st.Ino, st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
	case syscall.ENOENT:
		return 0, false, nil
	default:
		return 0, false, err
	}
}

// changed notes that a name is about to lead elsewhere; was is what it leads to.
func (n *names) changed(in at, name string, was uint64) (*rec, error) {
	n.changes++
	if n.mode == cluster.NamesDurable {
		return nil, nil
	}
	d := n.dirs[in.ino]
	if d == nil {
		fd, err := unix.FcntlInt(uintptr(in.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, err
		}
		d = &dir{ino: in.ino, fd: fd, recs: map[string]*rec{}}
		n.dirs[in.ino] = d
	}
	r := d.recs[name]
	if r == nil {
		r = &rec{dir: d, name: name, durable: was, with: &group{}}
		r.with.recs = []*rec{r}
		d.recs[name] = r
		if was != 0 {
			n.refs[was]++
		}
	}
	return r, nil
}

// keep makes sure that an inode outlives its name, if some durable name led to it.
// Directories are moved out of the way, and others get a second name. It tells
// whether the name is free now.
func (n *names) keep(in at, name string, ino uint64, isDir bool) (moved bool, err error) {
	if ino == 0 || n.refs[ino] == 0 || n.stashed[ino] != "" {
		return false, nil
	}
	to := n.fresh()
	if isDir {
		err = unix.Renameat(in.fd, name, n.stash, to)
	} else {
		err = unix.Linkat(in.fd, name, n.stash, to, 0)
	}
	if err != nil {
		return false, err
	}
	n.stashed[ino] = to
	return isDir, nil
}

func (n *names) fresh() string {
	n.last++
	return strconv.Itoa(n.last)
}

// Made is called with what makes a name that was not there before: a file, a
// directory, a link.
func (s *Store) Made(dir, name string, do func() error) error {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	in, err := openAt(dir)
	if err != nil {
		return err
	}
	defer in.close()
	was, _, err := entry(in.fd, name)
	if err != nil {
		return err
	}
	if err := do(); err != nil || was != 0 {
		return err // what was there before is so still
	}
	_, err = n.changed(in, name, 0)
	return err
}

// Remove removes a name: unlink(2), or rmdir(2) if it is to be a directory's.
func (s *Store) Remove(dir, name string, isDir bool) error {
	gone, err := s.remove(dir, name, isDir)
	if err == nil && !isDir {
		s.gone(gone)
	}
	return err
}

func (s *Store) remove(dir, name string, wantDir bool) (uint64, error) {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	in, err := openAt(dir)
	if err != nil {
		return 0, err
	}
	defer in.close()
	ino, isDir, err := entry(in.fd, name)
	switch {
	case err != nil:
		return 0, err
	case ino == 0:
		return 0, syscall.ENOENT
	case wantDir && !isDir:
		return 0, syscall.ENOTDIR
	case !wantDir && isDir:
		return 0, syscall.EISDIR
	case isDir && !emptyDir(in.fd, name):
		return 0, syscall.ENOTEMPTY
	}
	if _, err := n.changed(in, name, ino); err != nil {
		return 0, err
	}
	moved, err := n.keep(in, name, ino, isDir)
	if err != nil || moved {
		return 0, err
	}
	flags := 0
	if isDir {
		flags = unix.AT_REMOVEDIR
		n.dropDir(ino)
	}
	return ino, unix.Unlinkat(in.fd, name, flags)
}

// Rename is renameat2(2) with RENAME_NOREPLACE or without flags.
func (s *Store) Rename(fromDir, from, toDir, to string, replace bool) error {
	gone, err := s.rename(fromDir, from, toDir, to, replace)
	if err == nil && gone != 0 {
		s.gone(gone)
	}
	return err
}

func (s *Store) rename(fromDir, from, toDir, to string, replace bool) (uint64, error) {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	source, err := openAt(fromDir)
	if err != nil {
		return 0, err
	}
	defer source.close()
	target, err := openAt(toDir)
	if err != nil {
		return 0, err
	}
	defer target.close()
	ino, isDir, err := entry(source.fd, from)
	if err != nil {
		return 0, err
	}
	over, overDir, err := entry(target.fd, to)
	switch {
	case err != nil:
		return 0, err
	case ino == 0:
		return 0, syscall.ENOENT
	case over == ino:
		return 0, nil // two names of one file: rename(2) does nothing
	case over != 0 && !replace:
		return 0, syscall.EEXIST
	case over != 0 && isDir && !overDir:
		return 0, syscall.ENOTDIR
	case over != 0 && !isDir && overDir:
		return 0, syscall.EISDIR
	case overDir && !emptyDir(target.fd, to):
		return 0, syscall.ENOTEMPTY
	}
	return over, n.rename(source, from, ino, target, to, over, overDir)
}

func (n *names) rename(source at, from string, ino uint64, target at, to string, over uint64, overDir bool) error {
	a, err := n.changed(source, from, ino)
	if err != nil {
		return err
	}
	b, err := n.changed(target, to, over)
	if err != nil {
		return err
	}
	if a != nil {
		join(a, b)
	}
	moved, err := n.keep(target, to, over, overDir)
	if err != nil {
		return err
	}
	if overDir && !moved {
		n.dropDir(over)
	}
	return unix.Renameat(source.fd, from, target.fd, to)
}
