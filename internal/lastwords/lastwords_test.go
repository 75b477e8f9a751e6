package lastwords

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLastWords: servers' last words, as they wrote them.
func TestLastWords(t *testing.T) {
	for name, c := range map[string]struct {
		log   string
		ended bool
		want  string
	}{
		"postgres": {"LOG:  starting\nFATAL:  could not load server certificate\nLOG:  database system is shut down\n", true, `"FATAL:  could not load server certificate"`},
		"mariadb": {"[Note] Starting\n[ERROR] unknown variable 'x=1'\n[ERROR] Aborting\nthe server ended: exit status 7\n", true,
			`"[ERROR] unknown variable 'x=1'"`},
		"rabbitmq": {"\x1b[38;5;160mBOOT FAILED\x1b[0m\n===========\nERROR: the name rabbit@10.0.0.2 seems to be in use\n\n", true,
			`"BOOT FAILED", "ERROR: the name rabbit@10.0.0.2 seems to be in use"`},
		"etcd":                 {`{"level":"info","msg":"starting"}` + "\n" + `{"level":"fatal","msg":"discovery"}` + "\n", true, `"{"level":"fatal","msg":"discovery"}"`},
		"a panic":              {"panic: no such thing\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3\n", true, `"panic: no such thing"`},
		"nothing marked":       {"one\ntwo\nthree\n", true, `"two", "three"`},
		"nothing, and it runs": {"one\ntwo\nthree\n", false, ""},
		"nothing at all":       {"", true, ""},
	} {
		if got := Of([]byte(c.log), c.ended); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	long := Of([]byte("FATAL "+strings.Repeat("x", 10_000)+"\x00\n"), true)
	if len(long) > 400 {
		t.Errorf("a line of 10,000 letters is told in %d", len(long))
	}
}

// TestOfFile: what is still being written is waited for, but not for ever.
func TestOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := OfFile(path, false); got != "" {
		t.Errorf("of no file: %s", got)
	}
	written := make(chan error)
	go func() {
		time.Sleep(wait / 4)
		temp := path + ".new"
		if err := os.WriteFile(temp, []byte(strings.Repeat("much ado\n", maxLog)+"ERROR: the end\n"), 0o644); err != nil {
			written <- err
			return
		}
		written <- os.Rename(temp, path)
	}()
	if got := OfFile(path, true); got != `"ERROR: the end"` {
		t.Errorf("of a file that comes late: %s", got)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}
