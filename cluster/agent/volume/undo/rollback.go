package undo

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Lost is what a cut took away.
type Lost struct {
	Files int
	Pages int   // that were replaced or added and not synced, and are gone
	Kept  int   // likewise, that survived
	Bytes int64 // that files had become longer by, and are gone
	Names int
}

// tornOne in so many pages that survive is torn: its last sectors are the old ones.
const tornOne = 8

// Rollback makes the folder what the disk held at the instant of Shut, and opens
// the gate. Each page that was written and not synced survives with the given
// chance, as a disk may write them in any order before the power goes; of what a
// file grew by, a beginning survives. Nobody else may use the folder meanwhile.
func (s *Store) Rollback(survive float64, seed uint64) (Lost, error) {
	rng := rand.New(rand.NewPCG(seed, 0x70a3))
	s.mu.Lock()
	defer s.mu.Unlock()
	var lost Lost
	var failed error
	for _, ino := range slices.Sorted(keysOf(s.files)) {
		f := s.files[ino]
		f.mu.Lock()
		if f.fd >= 0 {
			if err := f.rollback(survive, rng, &lost); err != nil && failed == nil {
				failed = err
			}
		}
		f.mu.Unlock()
	}
	s.files = map[uint64]*File{}
	if err := s.names.rollback(&lost); err != nil && failed == nil {
		failed = err
	}
	s.gate.open()
	return lost, failed
}

func keysOf[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// rollback puts one file back. It is clean afterwards, and closed.
func (f *File) rollback(survive float64, rng *rand.Rand, lost *Lost) error {
	durable, old := f.cur.size, f.cur.old
	if f.pending != nil {
		durable = f.pending.size
		for p, s := range f.pending.old {
			if newer, ok := old[p]; ok {
				f.s.pages.drop(newer)
			}
			old[p] = s
		}
	}
	size, err := sizeOf(f.fd)
	if err != nil {
		return err
	}
	pagesBefore, bytesBefore := lost.Pages, lost.Bytes
	final := durable
	if size > durable {
		final = tail(durable, size, survive, rng)
		lost.Bytes += size - final
		lost.Pages += touched(final, size)
		lost.Kept += touched(durable, final)
	}
	buf := make([]byte, Page)
	for _, p := range slices.Sorted(keysOf(old)) {
		keep := 0 // bytes at the page's beginning that stay new
		if rng.Float64() < survive {
			lost.Kept++
			if keep = Page; rng.IntN(tornOne) == 0 {
				keep = rng.IntN(Page/sector) * sector
			}
		} else {
			lost.Pages++
		}
		if err := f.restore(p, old[p], keep, buf); err != nil {
			return err
		}
	}
	for _, p := range slices.Sorted(keysOf(f.doomed)) {
		lost.Pages++
		if err := f.restore(p, f.doomed[p], 0, buf); err != nil {
			return err
		}
	}
	if err := unix.Ftruncate(f.fd, final); err != nil {
		return err
	}
	if lost.Pages > pagesBefore || lost.Bytes > bytesBefore {
		lost.Files++
	}
	_ = unix.Close(f.fd)
	f.fd, f.pending, f.cur, f.doomed = -1, nil, span{}, nil
	return nil
}

// tail is how long a file is that had grown from durable to size: the share of
// it that stays is random, with survive for its mean.
func tail(durable, size int64, survive float64, rng *rand.Rand) int64 {
	if survive <= 0 {
		return durable
	}
	share := math.Pow(rng.Float64(), (1-survive)/survive)
	final := durable + int64(share*float64(size-durable))
	if final < size {
		final -= final % Page
		if rng.IntN(tornOne) == 0 {
			final += int64(rng.IntN(Page/sector)) * sector
		}
	}
	return min(max(final, durable), size)
}

// touched is how many pages the bytes between two offsets are in.
func touched(from, to int64) int {
	if to <= from {
		return 0
	}
	return int((to+Page-1)/Page - from/Page)
}

// restore puts a page back but for its first bytes.
func (f *File) restore(p int64, s slot, keep int, buf []byte) error {
	defer f.s.pages.drop(s)
	if keep >= Page {
		return nil
	}
	clear(buf)
	if _, err := f.s.pages.get(s, buf); err != nil {
		return err
	}
	_, err := unix.Pwrite(f.fd, buf[keep:], p*Page+int64(keep))
	return err
}

// rollback makes all names lead again to what they durably did. In three steps,
// as names may have been swapped: all are taken away, then what was durable is put
// in place, then what has no name is removed.
func (n *names) rollback(lost *Lost) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var trash []string
	var all []*rec
	for _, ino := range slices.Sorted(keysOf(n.dirs)) {
		for _, name := range slices.Sorted(keysOf(n.dirs[ino].recs)) {
			all = append(all, n.dirs[ino].recs[name])
		}
	}
	for _, r := range all {
		now, _, err := entry(r.dir.fd, r.name)
		if err != nil {
			return err
		}
		if now != r.durable {
			lost.Names++
		}
		if now == 0 {
			continue
		}
		to := n.fresh()
		if err := unix.Renameat(r.dir.fd, r.name, n.stash, to); err != nil {
			return err
		}
		if n.refs[now] > 0 && n.stashed[now] == "" {
			n.stashed[now] = to
		} else {
			trash = append(trash, to)
		}
	}
	for _, r := range all {
		from := n.stashed[r.durable]
		if r.durable == 0 || from == "" {
			continue
		}
		if err := n.putBack(from, r); err != nil {
			return err
		}
	}
	for _, from := range n.stashed {
		trash = append(trash, strings.TrimPrefix(from, moved))
	}
	for _, d := range n.dirs {
		_ = unix.Close(d.fd)
	}
	for _, name := range trash {
		if err := removeAll(n.stash, name); err != nil {
			return err
		}
	}
	n.dirs, n.refs, n.stashed = map[uint64]*dir{}, map[uint64]int{}, map[uint64]string{}
	return nil
}

// moved marks a directory that has left the stash.
const moved = "/"

// putBack gives an inode its durable name.
func (n *names) putBack(from string, r *rec) error {
	if strings.HasPrefix(from, moved) {
		return nil // a directory has one name
	}
	_, isDir, err := entry(n.stash, from)
	if err != nil {
		return err
	}
	if isDir {
		n.stashed[r.durable] = moved + from
		return unix.Renameat(n.stash, from, r.dir.fd, r.name)
	}
	return unix.Linkat(n.stash, from, r.dir.fd, r.name, 0)
}
