package ssh

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// SessionFlag is the flag of a command of the binary's that is served over its standard
// input and output.
const SessionFlag = "session"

// driverFolder begins the name of the folder in which such a command works.
const driverFolder = "aftershock-driver-"

// driverScript goes to the folder FOLDER, which it makes where programs may run and brings
// the binary to unless both are there from before, and becomes the binary. A folder of
// somebody else's, or a link, is none.
const driverScript = `umask 077; trap "" PIPE; d=; have=;
for t in "${TMPDIR:-/tmp}" /var/tmp "$HOME" /dev/shm; do c="$t/FOLDER";
if [ -d "$c" ] && [ ! -L "$c" ] && [ -O "$c" ] && [ -x "$c/aftershock" ]; then d=$c; have=yes; break; fi; done;
if [ -z "$d" ]; then for t in "${TMPDIR:-/tmp}" /var/tmp "$HOME" /dev/shm; do c="$t/FOLDER";
mkdir "$c" 2>/dev/null || continue; echo "exit 0" >"$c/try"; chmod 700 "$c/try";
if "$c/try" 2>/dev/null; then d=$c; rm -f "$c/try"; break; fi; rm -rf "$c"; done; fi;
if [ -z "$d" ]; then echo "` + agent.GuestRefuses + `no folder there lets programs run (/tmp, /var/tmp, the home, /dev/shm are noexec)"; exit 1; fi;
cd "$d"; echo $$ >pid;
if [ -n "$have" ]; then echo "` + sayCopied + `"; else
trap "rm -rf \"$d\"" EXIT; trap "exit 1" HUP INT TERM; echo "` + sayReady + `";
head -c SIZE | gzip -dc >copied; s=$(sha256sum copied | cut -c1-64);
if [ "$s" != "SUM" ]; then echo "` + agent.GuestRefuses + `the binary did not arrive whole: is there room on the disk?"; exit 1; fi;
chmod 700 copied; mv copied aftershock; trap - EXIT; echo "` + sayCopied + `"; fi;
exec ./aftershock COMMAND --` + SessionFlag + ``

// endScript ends what was started in the folder, and with REMOVE removes that.
const endScript = `for t in "${TMPDIR:-/tmp}" /var/tmp "$HOME" /dev/shm; do c="$t/FOLDER";
[ -d "$c" ] && [ ! -L "$c" ] && [ -O "$c" ] || continue; p=$(cat "$c/pid" 2>/dev/null);
if [ -n "$p" ] && tr "\000" " " <"/proc/$p/cmdline" 2>/dev/null | grep -q "^./aftershock [a-z]* --` + SessionFlag + ` *$"; then kill -KILL "$p"; fi;
if [ REMOVE = yes ]; then rm -rf "$c"; fi; done; true`

// linger is how long a folder stays after its session has ended by itself: a harness that
// lost it may come back for what is there.
const linger = 10 * time.Second

// Serve is what such a command does: it serves what comes over its standard input and
// output, by serve, until these end. Its working folder is removed in the end.
func Serve(ctx context.Context, stdin io.ReadCloser, stdout io.WriteCloser, serve func(context.Context, net.Listener) error) error {
	err := agent.ServeSession(ctx, stdin, stdout, serve)
	leaveFolder(ctx)
	return err
}

// leaveFolder removes the working folder, if it is one that a session was given, once
// nobody has come back to it for a while.
func leaveFolder(ctx context.Context) {
	dir, err := os.Getwd()
	if err != nil || !strings.HasPrefix(filepath.Base(dir), driverFolder) {
		return
	}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if text, err := os.ReadFile("pid"); err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		_ = os.RemoveAll(dir) // else somebody has come
	}
}

// relay passes on to whoever listens.
type relay struct {
	mu sync.Mutex
	w  io.Writer
}

func (r *relay) to(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.w = w
}

// Write implements io.Writer. What nobody listens to is gone.
func (r *relay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.w != nil {
		return r.w.Write(p)
	}
	return len(p), nil
}
