package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/undo"
)

// Bounds of what a helper is waited for.
const (
	startTimeout = 10 * time.Second
	askTimeout   = 30 * time.Second
	endTimeout   = 2 * time.Second
)

// Device is what the volume needs of its machine.
const Device = "/dev/fuse"

// Volume is a node's data directory on a file system that can lose and spoil what is
// on it, as its agent sees it.
type Volume struct {
	pid  int
	conn net.Conn
	in   *json.Decoder
	real *real // nil: it has none

	mu     sync.Mutex // one question at a time
	broken error
	since  undo.Stats // figures at the last mount
}

// Start starts the helper that serves the volume v at dir, and returns when it is
// mounted. dir has to be empty. The contents are in a folder beside it.
func Start(dir string, v cluster.Volume) (*Volume, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if v.Real != "" {
		if err := ext4.Available(); err != nil {
			return nil, err
		}
	}
	s := setup{At: dir, Beside: beside(dir), Volume: v}
	text, _ := json.Marshal(s) // it is made of strings
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket for the volume's helper: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(pair[0]), "helper"), os.NewFile(uintptr(pair[1]), "agent")
	defer mine.Close()
	defer theirs.Close()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", "agent")
	cmd.Env = []string{EnvHelper + "=" + string(text), "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if v.Real != "" {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the volume's helper: %w", err)
	}
	_ = theirs.Close() // so that the helper's end is seen
	conn, err := net.FileConn(mine)
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("socket for the volume's helper: %w", err)
	}
	vol := &Volume{pid: cmd.Process.Pid, conn: conn, in: json.NewDecoder(conn)}
	_ = cmd.Process.Release() // whoever waits for the node's processes waits for it
	_ = conn.SetDeadline(time.Now().Add(startTimeout))
	var first answer
	if err := vol.in.Decode(&first); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("the volume's helper does not answer: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	if first.Error != "" {
		_ = conn.Close()
		return nil, errors.New(first.Error)
	}
	if v.Real != "" {
		if err := vol.mountReal(dir); err != nil {
			vol.Close()
			return nil, err
		}
	}
	return vol, nil
}

// Available tells why this process could not mount a volume here, with the remedy;
// nil: it can, as far as that can be seen.
func Available() error {
	f, err := os.OpenFile(Device, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: load the kernel module fuse on the machine", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: let this user open it (chmod 666 %s), or run as root", err, Device)
	case err != nil:
		return fmt.Errorf("%w: load the kernel module fuse on the machine, and in a container pass the device (docker run --device %s)", err, Device)
	}
	return f.Close()
}

// PID is the helper's process.
func (v *Volume) PID() int { return v.pid }

// ask asks the helper for one thing.
func (v *Volume) ask(r request) (answer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.broken != nil {
		return answer{}, v.broken
	}
	var a answer
	_ = v.conn.SetDeadline(time.Now().Add(askTimeout))
	err := json.NewEncoder(v.conn).Encode(r)
	if err == nil {
		err = v.in.Decode(&a)
	}
	if err != nil {
		v.broken = fmt.Errorf("the volume's helper is gone: %w", err)
		return answer{}, v.broken
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// Cut is the instant at which the power goes: nothing that is done on the volume
// takes effect from then on, and nobody is answered. It tells when that was, and how
// many writes and syncs there were since the last time.
func (v *Volume) Cut() (at time.Time, writes, syncs uint64, err error) {
	a, err := v.ask(request{Ask: askCut})
	at = time.Now()
	if err != nil {
		return at, 0, 0, err
	}
	writes, syncs = a.Stats.Writes-v.since.Writes, a.Stats.Syncs-v.since.Syncs
	v.since = a.Stats
	return at, writes, syncs, nil
}

// Away takes the volume away, so that what waits for it can end. All processes of
// the node have been killed.
func (v *Volume) Away() error {
	if _, err := v.ask(request{Ask: askAway}); err != nil {
		return err
	}
	return v.real.away()
}

// Back makes the volume what a disk would have held at the instant of Cut, and
// mounts it again.
func (v *Volume) Back(loss cluster.Loss, seed uint64) (undo.Lost, error) {
	a, err := v.ask(request{Ask: askBack, Loss: loss, Seed: seed})
	if err == nil && v.real != nil {
		err = v.real.mount(v.pid)
	}
	return a.Lost, err
}

// Sicken does a.Sick to calls.
func (v *Volume) Sicken(a cluster.Action) (cluster.Effect, error) {
	_, err := v.ask(request{Ask: askSick, ID: a.ID, Sick: a.Sick, Seed: a.Seed})
	return cluster.Effect{At: time.Now(), Changed: err == nil}, err
}

// Heal ends what Sicken did, and counts the calls.
func (v *Volume) Heal(a cluster.Action) (cluster.Effect, error) {
	b, err := v.ask(request{Ask: askWell, ID: a.ID})
	effect := cluster.Effect{At: time.Now(), Changed: b.Changed}
	if b.Changed {
		effect.Counts = map[string]uint64{cluster.CallsFailed: b.Failed, cluster.CallsDelayed: b.Delayed}
		maps.DeleteFunc(effect.Counts, func(_ string, n uint64) bool { return n == 0 })
	}
	return effect, err
}

// Flip flips a.Bits.
func (v *Volume) Flip(a cluster.Action) (cluster.Effect, error) {
	b, err := v.ask(request{Ask: askFlip, Bits: a.Bits, Seed: a.Seed})
	return cluster.Effect{At: time.Now(), Changed: b.Flipped > 0, Counts: map[string]uint64{cluster.BitsFlipped: uint64(b.Flipped)}}, err
}

// Age makes durable what was written so far, see undo.Store.Age.
func (v *Volume) Age(cluster.Action) (cluster.Effect, error) {
	if err := v.real.sync(); err != nil {
		return cluster.Effect{}, err
	}
	a, err := v.ask(request{Ask: askAge})
	return cluster.Effect{At: time.Now(), Changed: a.Changed}, err
}

// Close has the helper take the volume away and end. It is waited for a while.
func (v *Volume) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if unixConn, ok := v.conn.(*net.UnixConn); ok && v.broken == nil {
		_ = unixConn.CloseWrite()
		_ = v.conn.SetDeadline(time.Now().Add(endTimeout))
		var none answer
		_ = v.in.Decode(&none) // its end is the helper's
	}
	v.broken = errors.New("the volume is closed")
	_ = v.conn.Close()
	_ = v.real.away() // in a namespace that ends nothing is left
}
