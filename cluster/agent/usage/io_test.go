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
	if !i.dirtiedMore() {
		t.Error("a quarter of a megabyte for each call is not seen")
	}
	if i.written = i.passed + mostEdges*i.writeCalls; i.dirtiedMore() {
		t.Error("whole pages are taken for large ones")
	}
	if left := i.minus(io{read: 9, passed: 1}); left.read != 0 || left.passed != i.passed-1 {
		t.Errorf("%+v", left)
	}
}
