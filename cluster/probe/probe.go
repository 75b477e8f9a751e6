// Package probe finds out which of the kernel's features that Aftershock builds
// on work on this machine. It tries each for real, in a sandbox of its own, so
// nothing of the machine's own network is touched.
package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// Check is the answer to one question.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`           // what was tried and found
	Remedy string `json:"remedy,omitempty"` // what to do about it, if not OK
}

// Names of the checks, in the order of All.
const (
	UserNamespaces    = "user namespaces"
	NetworkNamespaces = "network namespaces"
	NFTables          = "nftables"
	NFQueue           = "NFQUEUE"
	Resets            = "connection resets"
	FUSE              = "FUSE"
	Ext4              = "ext4 on a loop device"
)

// Command is the hidden command that All runs of this program; it calls
// InSandbox.
const Command = "probe-sandbox"

// sandboxTimeout bounds the checks in the sandbox; loading kernel modules may
// take a while.
const sandboxTimeout = 20 * time.Second

// All makes every check. Those of the network run in a sandbox, by the hidden
// command probe-sandbox (Command), which the running program must have.
func All(ctx context.Context) []Check {
	checks := []Check{userNamespaces()}
	return append(checks, sandboxed(ctx)...)
}

// InSandbox makes the checks that need a sandbox, in the one that this process
// was started in, and writes them to out for All.
func InSandbox(out io.Writer) error {
	if err := local.EnterSandbox(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode([]Check{
		{Name: NetworkNamespaces, OK: true, Detail: "a sandbox with its own network, mounts and processes was made, and a bridge in it"},
		nftablesWorks(),
		nfqueueWorks(),
		resetWorks(),
		volumeWorks(),
		ext4Works(),
	})
}

// tried are the names of what is tried in a sandbox.
var tried = []string{NFTables, NFQueue, Resets, FUSE, Ext4}

// sandboxed runs the checks of InSandbox.
func sandboxed(ctx context.Context) []Check {
	checks, err := runSandbox(ctx)
	if err == nil {
		return checks
	}
	failed := Check{Name: NetworkNamespaces, Detail: err.Error(), Remedy: "run as root, in a container with --privileged, or see user namespaces"}
	checks = []Check{failed}
	for _, name := range tried {
		checks = append(checks, Check{Name: name, Detail: "not tried: there is no network namespace to try it in", Remedy: "see " + NetworkNamespaces})
	}
	return checks
}

func runSandbox(ctx context.Context) ([]Check, error) {
	if err := local.Available(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sandboxTimeout)
	defer cancel()
	cmd, err := local.Command(ctx, "", []string{Command})
	if err != nil {
		return nil, err
	}
	var output, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &messages
	cmd.WaitDelay = time.Second
	wait, err := local.Start(cmd)
	if err != nil {
		return nil, err
	}
	if err := wait(); err != nil {
		return nil, fmt.Errorf("check in a sandbox: %w: %s", err, strings.TrimSpace(messages.String()))
	}
	return parse(output.Bytes())
}

// parse reads the answer of the hidden command.
func parse(output []byte) ([]Check, error) {
	var checks []Check
	if err := json.Unmarshal(output, &checks); err != nil {
		return nil, fmt.Errorf("read the answer of the command %s: %w", Command, err)
	}
	if want := 1 + len(tried); len(checks) != want { // the namespaces themselves come first
		return nil, fmt.Errorf("the command %s made %d checks, want %d", Command, len(checks), want)
	}
	return checks, nil
}

// userNamespaces tells whether an ordinary user can make a sandbox. An ordinary
// user tries it; for root, who needs none, the kernel's settings must do.
func userNamespaces() Check {
	c := Check{Name: UserNamespaces, Remedy: "needed only to run as an ordinary user; otherwise run as root"}
	if os.Geteuid() != 0 {
		if err := local.Available(context.Background()); err != nil {
			c.Detail = err.Error()
			return c
		}
		return Check{Name: UserNamespaces, OK: true, Detail: "one was made"}
	}
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		c.Detail = "the kernel has none: " + err.Error()
		return c
	}
	if setting := local.UserNamespacesOff(); setting != "" {
		c.Detail, c.Remedy = "switched off for ordinary users", "to run as an ordinary user: "+setting
		return c
	}
	return Check{Name: UserNamespaces, OK: true, Detail: "the kernel's settings allow them to ordinary users (not tried: this is root)"}
}

// fuse opens the device and closes it; nothing is mounted.
func fuse(device string) Check {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err == nil {
		_ = f.Close()
		return Check{Name: FUSE, OK: true, Detail: device + " can be opened"}
	}
	c := Check{Name: FUSE, Detail: err.Error(), Remedy: "load the kernel module fuse; in a container, run it with --device " + device}
	if errors.Is(err, os.ErrPermission) {
		c.Remedy = "give this user access to " + device
	}
	return c
}
