package docker

import (
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// life is what a lock file tells of the harness that made it.
type life uint8

const (
	lifeUnknown life = iota // there is no such file, or it cannot be read
	lifeAlive               // somebody holds the lock
	lifeDead                // nobody holds the lock
)

// lifeOf asks for a shared lock without waiting and gives it back at once: a
// living harness holds an exclusive one. It creates nothing.
func lifeOf(lockFile string) life {
	if lockFile == "" {
		return lifeUnknown
	}
	// O_NONBLOCK: a label may name anything, also a pipe without a writer.
	fd, err := unix.Open(lockFile, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return lifeUnknown
	}
	defer unix.Close(fd)
	err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case err == nil:
		_ = unix.Flock(fd, unix.LOCK_UN)
		return lifeDead
	case errors.Is(err, unix.EWOULDBLOCK):
		return lifeAlive
	}
	return lifeUnknown
}

// bootID tells this machine's boots apart; empty where the kernel has none.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})
