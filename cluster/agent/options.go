package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Names of the environment variables that OptionsFromEnv reads. Servers do not
// inherit them.
const (
	EnvToken     = "AFTERSHOCK_TOKEN"      // Options.Token; required
	EnvLease     = "AFTERSHOCK_LEASE"      // Options.Lease, a Go duration
	EnvData      = "AFTERSHOCK_DATA"       // Options.DataDir
	EnvListen    = "AFTERSHOCK_LISTEN"     // Options.Listen
	EnvMountProc = "AFTERSHOCK_MOUNT_PROC" // Options.MountProc if "1"
)

// DefaultDataDir is the node's data directory where the host gives none.
const DefaultDataDir = "/var/lib/aftershock"

// ErrLeaseExpired is returned by Serve when the harness was not heard of for
// longer than the lease.
var ErrLeaseExpired = errors.New("lease expired")

// Options set up an agent. The zero value of each but Token is its default.
type Options struct {
	Listen  string        // address of the control channel; ":7399"
	Token   string        // secret that every request must carry; required
	Lease   time.Duration // how long the agent lives without the harness; cluster.DefaultLease
	DataDir string        // the node's data directory; DefaultDataDir
	// MountProc mounts a fresh /proc first: for a node whose mount and PID
	// namespaces are new and whose /proc is still that of its maker.
	MountProc bool
	// Stdout gets a copy of the server's output, which CopyOutput delivers in
	// any case; nil is nowhere. A writer that blocks holds up the server.
	Stdout io.Writer
	Logger *slog.Logger // nil discards
}

// OptionsFromEnv reads the options that a host passes in the environment.
func OptionsFromEnv() (Options, error) {
	o := Options{
		Listen:    os.Getenv(EnvListen),
		Token:     os.Getenv(EnvToken),
		DataDir:   os.Getenv(EnvData),
		MountProc: os.Getenv(EnvMountProc) == "1",
	}
	if o.Token == "" {
		return Options{}, fmt.Errorf("environment variable %s is not set: the agent is started by a host, not by hand", EnvToken)
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

// Environ is the environment that makes OptionsFromEnv return o; Stdout and
// Logger are not part of it.
func (o Options) Environ() []string {
	env := []string{EnvToken + "=" + o.Token}
	if o.Lease != 0 {
		env = append(env, EnvLease+"="+o.Lease.String())
	}
	if o.DataDir != "" {
		env = append(env, EnvData+"="+o.DataDir)
	}
	if o.Listen != "" {
		env = append(env, EnvListen+"="+o.Listen)
	}
	if o.MountProc {
		env = append(env, EnvMountProc+"=1")
	}
	return env
}

func (o Options) withDefaults() (Options, error) {
	if o.Token == "" {
		return Options{}, errors.New("agent: no token: make one with NewToken")
	}
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

// NewToken returns a new secret for a run's agents.
func NewToken() string { return rand.Text() }

// NewCommand is the hidden command `aftershock agent`, the node's PID 1.
func NewCommand() *cobra.Command {
	return &cobra.Command{
		Use:           "agent",
		Short:         "Supervise a node (started by the hosts, not by hand)",
		Hidden:        true,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := OptionsFromEnv()
			if err != nil {
				return err
			}
			o.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return Serve(ctx, o)
		},
	}
}
