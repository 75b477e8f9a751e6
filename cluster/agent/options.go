package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/press"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
	"github.com/aftershock-chaos/aftershock/cluster/agent/root"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
)

// Names of the environment variables that OptionsFromEnv reads. Servers do not
// inherit them.
const (
	EnvLease     = "AFTERSHOCK_LEASE"     // Options.Lease, a Go duration
	EnvData      = "AFTERSHOCK_DATA"      // Options.DataDir
	EnvListen    = "AFTERSHOCK_LISTEN"    // Options.Listen
	EnvRoot      = "AFTERSHOCK_ROOT"      // Options.Root, as JSON
	EnvMemory    = "AFTERSHOCK_MEMORY"    // Options.MemoryEvents
	EnvLimit     = "AFTERSHOCK_LIMIT"     // Options.MemoryLimit
	EnvProcesses = "AFTERSHOCK_PROCESSES" // Options.Processes
	EnvGuest     = "AFTERSHOCK_GUEST"     // Options.Guest
	EnvVolume    = "AFTERSHOCK_VOLUME"    // Options.Volume, as JSON
	EnvOthers    = "AFTERSHOCK_OTHERS"    // Options.Others, with a comma between two
	EnvStand     = process.EnvStand       // of no agent, but of what stands in one of these
)

// DefaultDataDir is the node's data directory where the host gives none.
const DefaultDataDir = "/var/lib/aftershock"

// ErrLeaseExpired is returned by Serve when the harness was not heard of for
// longer than the lease.
var ErrLeaseExpired = errors.New("lease expired")

// Options set up an agent. The zero value of each but Secret is its default.
type Options struct {
	Listen  string        // address of the control channel; ":7399"
	Secret  Secret        // the keys of the control channel; required
	Lease   time.Duration // how long the agent lives without the harness; cluster.DefaultLease
	DataDir string        // the node's data directory; DefaultDataDir
	// Guest says whose processes the agent reaches if it is a guest beside a server
	// that somebody else runs; NoGuest: it is the parent of its own.
	Guest Guest
	// Root is the file system that the agent enters first: for a node whose mount
	// and PID namespaces are new, and whose files are still its maker's. Nil: it
	// has one already.
	Root *root.Root
	// MemoryEvents is the file that counts the node's processes that were killed
	// for want of memory, as its host names it; empty: where containers have it.
	MemoryEvents string
	// MemoryLimit is the most that the node may have, in bytes, as its host sees to; 0: as
	// much as the machine has.
	MemoryLimit int64
	// Processes bounds the processes of the agent's user, where the host cannot
	// bound the node's; 0: it has.
	Processes int
	// Volume is the file system that the data directory is on; nil: the node's own.
	Volume *cluster.Volume
	// Others are the names of the node's further file systems, see cluster.NodeSpec.Others.
	Others []string
	// Stdout gets a copy of the server's output, which CopyOutput delivers in
	// any case; nil is nowhere. A writer that blocks holds up the server.
	Stdout io.Writer
	Logger *slog.Logger // nil discards

	memory      *process.MemoryEvents // of MemoryEvents, once it is open
	server      service.Spec          // beside which a GuestOfHost lives
	down        bool                  // that server was taken down by a guest before this one
	controlPort uint16                // that no rule touches; 0: the listener's
	disk        *volume.Volume        // Volume, once it is mounted
}

// Guest says what a guest shares with the server beside which it lives.
type Guest string

const (
	NoGuest      Guest = ""
	GuestNetwork Guest = "network"   // its network alone
	GuestOfBoth  Guest = "processes" // its network and its PID namespace
	GuestOfHost  Guest = "host"      // a machine on which others live, see MainOnHost
)

// OptionsFromEnv reads the options that a host passes in the environment: all but
// the Secret, which has no business there.
func OptionsFromEnv() (Options, error) {
	o := Options{
		Listen:  os.Getenv(EnvListen),
		DataDir: os.Getenv(EnvData),

		MemoryEvents: os.Getenv(EnvMemory),
		Guest:        Guest(os.Getenv(EnvGuest)),
	}
	switch o.Guest {
	case NoGuest, GuestNetwork, GuestOfBoth:
	default:
		return Options{}, fmt.Errorf("environment variable %s: %q is no kind of guest", EnvGuest, o.Guest)
	}
	if s := os.Getenv(EnvRoot); s != "" {
		o.Root = new(root.Root)
		if err := json.Unmarshal([]byte(s), o.Root); err != nil {
			return Options{}, fmt.Errorf("environment variable %s: %w", EnvRoot, err)
		}
	}
	if s := os.Getenv(EnvVolume); s != "" {
		o.Volume = new(cluster.Volume)
		if err := json.Unmarshal([]byte(s), o.Volume); err != nil {
			return Options{}, fmt.Errorf("environment variable %s: %w", EnvVolume, err)
		}
	}
	if s := os.Getenv(EnvOthers); s != "" {
		o.Others = strings.Split(s, ",")
	}
	if s := os.Getenv(EnvProcesses); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return Options{}, fmt.Errorf("environment variable %s: %q is no number of processes", EnvProcesses, s)
		}
		o.Processes = n
	}
	if s := os.Getenv(EnvLimit); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return Options{}, fmt.Errorf("environment variable %s: %q is no number of bytes", EnvLimit, s)
		}
		o.MemoryLimit = n
	}
	if s := os.Getenv(EnvLease); s != "" {
		lease, err := time.ParseDuration(s)
		if err != nil {
			return Options{}, fmt.Errorf("environment variable %s: %w", EnvLease, err)
		}
		o.Lease = lease
	}
	return o.withDefaults()
}

// Environ is the environment that makes OptionsFromEnv return o; Secret, Stdout
// and Logger are not part of it.
func (o Options) Environ() []string {
	var env []string
	if o.Lease != 0 {
		env = append(env, EnvLease+"="+o.Lease.String())
	}
	if o.DataDir != "" {
		env = append(env, EnvData+"="+o.DataDir)
	}
	if o.Listen != "" {
		env = append(env, EnvListen+"="+o.Listen)
	}
	if o.MemoryEvents != "" {
		env = append(env, EnvMemory+"="+o.MemoryEvents)
	}
	if o.MemoryLimit > 0 {
		env = append(env, EnvLimit+"="+strconv.FormatInt(o.MemoryLimit, 10))
	}
	if o.Processes > 0 {
		env = append(env, EnvProcesses+"="+strconv.Itoa(o.Processes))
	}
	if o.Guest != NoGuest {
		env = append(env, EnvGuest+"="+string(o.Guest))
	}
	if o.Volume != nil {
		env = append(env, EnvVolume+"="+VolumeEnv(o.Volume))
	}
	if len(o.Others) > 0 {
		env = append(env, EnvOthers+"="+strings.Join(o.Others, ","))
	}
	if o.Root != nil {
		text, _ := json.Marshal(o.Root) // it is made of strings
		env = append(env, EnvRoot+"="+string(text))
	}
	return env
}

// VolumeEnv is the value of EnvVolume for a volume.
func VolumeEnv(v *cluster.Volume) string {
	text, _ := json.Marshal(v) // it is made of strings
	return string(text)
}

func (o Options) withDefaults() (Options, error) {
	if o.Lease == 0 {
		o.Lease = cluster.DefaultLease
	}
	if o.Lease < minLease {
		return Options{}, fmt.Errorf("agent: lease %s is too short: give at least %s", o.Lease, minLease)
	}
	if o.Listen == "" {
		o.Listen = fmt.Sprintf(":%d", cluster.ControlPort)
	}
	if o.DataDir == "" {
		o.DataDir = DefaultDataDir
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// minLease keeps the heartbeat, five of which make a lease, above the noise of
// a busy machine's scheduler.
const minLease = 50 * time.Millisecond

// secretTimeout bounds the wait for the keys: a host writes them at once.
const secretTimeout = 10 * time.Second

// Main is what the node's PID 1 does: it serves with the options of its
// environment and the keys of its standard input until a signal, and logs to
// stderr. Started by an agent, it is the helper that serves its volume; started beside
// one, it stands in another file system of the node.
func Main(ctx context.Context, stdin io.Reader, stderr io.Writer) error {
	if volume.HelperAsked() {
		return volume.Helper()
	}
	if os.Getenv(press.EnvBallast) != "" {
		return press.Ballast()
	}
	if os.Getenv(process.EnvStand) != "" {
		ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return process.Stand(ctx)
	}
	o, err := OptionsFromEnv()
	if err != nil {
		return err
	}
	// The keys are in this process's memory only, which the node's servers cannot
	// read then unless they may trace every process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("agent: hide the own memory: %w", err)
	}
	if o.Secret, err = awaitSecret(stdin, secretTimeout); err != nil {
		return err
	}
	o.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return Serve(ctx, o)
}

// awaitSecret reads the secret; a reader that never delivers is left behind.
func awaitSecret(stdin io.Reader, limit time.Duration) (Secret, error) {
	type result struct {
		secret Secret
		err    error
	}
	done := make(chan result, 1)
	go func() {
		s, err := ReadSecret(stdin)
		done <- result{s, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.secret, r.err
	case <-timer.C:
		return Secret{}, fmt.Errorf("agent: no keys on standard input in %s: the agent is started by a host, not by hand", limit)
	}
}
