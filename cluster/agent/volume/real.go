package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
)

// A true file system is in a file on the volume:
//
//	programs → ext4 at the data directory → loop device → file → volume → what is durable
//
// It is mounted by the agent, and the volume below it in a mount namespace of the helper's
// own: when a namespace ends, the last of its processes waits until the file system has
// written what it holds, and were that the helper, it would wait for itself for ever.
const (
	below = "below" // the folder beside the data directory where the volume is then
	image = "disk"  // the file
)

// Processes that were killed let go of their files a moment later.
const (
	unmountWait  = 5 * time.Second
	unmountPause = 2 * time.Millisecond
)

// real is a volume's true file system.
type real struct {
	at, beside string
	mounted    *ext4.FS // nil: it is not
}

// mount mounts it, by way of the helper's own mounts.
func (r *real) mount(helper int) error {
	fs, err := ext4.Mount(filepath.Join(fmt.Sprintf("/proc/%d/root", helper), r.beside, below, image), r.at, r.beside)
	if err == nil {
		r.mounted = fs
	}
	return err
}

// sync writes what programs have written, and nobody has synced.
func (r *real) sync() error {
	if r == nil || r.mounted == nil {
		return nil
	}
	return r.mounted.Sync()
}

// away takes it away. The volume below is gone already, by force: what was not written
// yet cannot be written any more.
func (r *real) away() error {
	if r == nil || r.mounted == nil {
		return nil
	}
	for deadline := time.Now().Add(unmountWait); ; time.Sleep(unmountPause) {
		err := r.mounted.Unmount()
		if err == nil {
			r.mounted = nil
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// mountReal puts a true file system into the volume that was started.
func (v *Volume) mountReal(at string) error {
	v.real = &real{at: at, beside: beside(at)}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := v.real.mount(v.pid); err != nil {
		return err
	}
	return os.Remove(filepath.Join(at, "lost+found")) // which some servers take for somebody else's
}

// beside is the folder beside a data directory that has its contents.
func beside(at string) string { return at + "-volume" }
