package undo

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Page is the unit in which contents are kept and lost.
const Page = 4096

// sector is what a disk writes as a whole.
const sector = 512

// errFull says that no more pages can be kept.
var errFull = errors.New("too many pages are kept")

// slot holds the old contents of one page; the zero slot is a page of zeros of
// length 0.
type slot struct {
	n  int    // bytes; fewer than a page where the file ended there
	in []byte // in memory; nil: see at
	at int64  // in the file, plus 1; 0: all zeros, which need no room
}

// pages keeps the old contents of pages: some in memory, the others in a file.
// Pages of zeros, such as holes and what was preallocated, take no room.
type pages struct {
	dir           string
	memory, limit int // pages, in memory and in all

	mu   sync.Mutex
	held int // pages with room, in memory and in the file
	here int // of them, in memory
	file *os.File
	next int64
	free []int64
}

// put keeps the first n bytes of a page.
func (p *pages) put(page []byte) (slot, error) {
	if zero(page) {
		return slot{n: len(page)}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= p.limit {
		return slot{}, errFull
	}
	if p.here < p.memory {
		p.held, p.here = p.held+1, p.here+1
		return slot{n: len(page), in: append([]byte(nil), page...)}, nil
	}
	if p.file == nil {
		fd, err := unix.Open(p.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err == nil {
			p.file = os.NewFile(uintptr(fd), p.dir+"/pages")
		} else if p.file, err = os.CreateTemp(p.dir, "pages"); err != nil {
			return slot{}, err
		} else if err := os.Remove(p.file.Name()); err != nil {
			return slot{}, err
		}
	}
	at := p.next
	if last := len(p.free) - 1; last >= 0 {
		at, p.free = p.free[last], p.free[:last]
	} else {
		p.next += Page
	}
	if _, err := p.file.WriteAt(page, at); err != nil {
		p.free = append(p.free, at)
		return slot{}, err
	}
	p.held++
	return slot{n: len(page), at: at + 1}, nil
}

// get reads what a slot holds into a page, and returns as much of it.
func (p *pages) get(s slot, page []byte) ([]byte, error) {
	page = page[:s.n]
	switch {
	case s.in != nil:
		copy(page, s.in)
	case s.at == 0:
		clear(page)
	default:
		_, err := p.file.ReadAt(page, s.at-1)
		return page, err
	}
	return page, nil
}

// drop gives a slot's room back.
func (p *pages) drop(s slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.in != nil:
		p.held, p.here = p.held-1, p.here-1
	case s.at > 0:
		p.held--
		p.free = append(p.free, s.at-1)
	}
}

// count is how many pages have room.
func (p *pages) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

func (p *pages) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		_ = p.file.Close()
		p.file = nil
	}
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
