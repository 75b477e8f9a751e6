package usage

import (
	"testing"
)

func TestWritesAside(t *testing.T) {
	for _, tc := range []struct {
		name, maps string
		want       bool
	}{
		{"nothing shared", "55d0a0000000-55d0a0400000 rw-p 00000000 fe:00 12  /srv/db/heap", false},
		{"memory without storage", "7f0da0000000-7f0db0000000 rw-s 00000000 00:01 1915   /dev/zero (deleted)\n7f0dc0000000-7f0dd0000000 rw-s 00000000 00:01 0   /SYSV00987d4f (deleted)\n" +
			"7f0de0000000-7f0df0000000 rw-s 00000000 00:01 7   /memfd:x (deleted)\n7f0e00000000-7f0e10000000 rw-s 00000000 00:1a 7   /dev/shm/PostgreSQL.1", false},
		{"a small file", "7f0d9e057000-7f0d9e063000 rw-s 00000000 fe:00 9998680   /node/data/pgdata/pg_dynshmem/mmap.3277676800", false},
		{"a mapped store", "7f0d00000000-7f0d40000000 rw-s 00000000 fe:00 9998680   /srv/a store/data.mdb", true},
		{"a store that is only read", "7f0d00000000-7f0d40000000 r--s 00000000 fe:00 9998680   /srv/data.mdb", false},
		{"libaio", "7f0d00000000-7f0d00003000 rw-s 00000000 00:12 9   /[aio] (deleted)", true},
		{"io_uring", "7f0d00000000-7f0d00003000 rw-s 00000000 00:0e 9   anon_inode:[io_uring]", true},
		{"no line of this kind", "x\n\n- rw-s - - - /a\n", false},
	} {
		if got := writesAside([]byte(tc.maps)); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

func TestParseIO(t *testing.T) {
	text := []byte("rchar: 165869\nwchar: 1600000\nsyscr: 179\nsyscw: 200\nread_bytes: 5\nwrite_bytes: 52428800\ncancelled_write_bytes: 4096\n")
	i := parseIO(text)
	if i != (io{read: 5, written: 52424704, passed: 1600000, readCalls: 179, writeCalls: 200}) {
		t.Errorf("%+v", i)
	}
	if left := i.minus(io{read: 9, passed: 1}); left.read != 0 || left.passed != i.passed-1 {
		t.Errorf("%+v", left)
	}
}

// TestStored: of each interval so much counts as calls can have made dirty, whatever was
// passed to calls before; where somebody writes otherwise, the kernel is believed.
func TestStored(t *testing.T) {
	var s stored
	now := io{written: 1 << 20, passed: 100 << 20, writeCalls: 20000} // far more was passed than came to storage
	if got := s.take(now, nil); got != 1<<20 {
		t.Errorf("at first: %d", got)
	}
	for range 10 { // commits of 8 kB in pages of 256 kB
		now.add(io{written: 10 << 18, passed: 10 << 13, writeCalls: 10})
		s.take(now, nil)
	}
	const want = 1<<20 + 100*(1<<13+mostEdges)
	if got := s.take(now, nil); got != want {
		t.Errorf("100 commits make %d, want %d", got, want)
	}
	lost := now.minus(io{written: 1 << 19, passed: 1 << 19}) // of a process that has ended and was not waited for yet
	if got := s.take(lost, nil); got != want {
		t.Errorf("less is there: %d", got)
	}
	if got := s.take(now, nil); got != want {
		t.Errorf("it is there again: %d", got)
	}
	s.aside.found = true
	now.add(io{written: 1 << 20, writeCalls: 1})
	if got := s.take(now, nil); got != want+1<<20 {
		t.Errorf("by a mapping: %d", got-want)
	}
}
