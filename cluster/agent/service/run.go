package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

const (
	mostOutput = 1 << 20         // of a command that is kept, in bytes
	lastGrace  = 2 * time.Second // for what a command has started, once it has ended
)

// command runs a command that starts or stops the server, as root.
func (s *Service) command(command []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	return s.Run(ctx, cluster.ServerSpec{Command: command})
}

// Run runs a command of the machine to its end, in a session of its own, which is
// killed if ctx ends first; what it has left in the background goes on otherwise.
func (s *Service) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	switch {
	case len(spec.Command) == 0:
		return nil, errors.New("no command")
	case spec.Command[0] == cluster.Self || len(spec.Files) > 0:
		return nil, errors.New("only programs of its own run on a machine of somebody else's")
	}
	c := exec.CommandContext(ctx, spec.Command[0], spec.Command[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = lastGrace
	c.Dir = "/"
	if spec.Dir != "" {
		c.Dir = spec.Dir
	}
	c.Env = os.Environ()
	for name, value := range spec.Env {
		c.Env = append(c.Env, name+"="+value)
	}
	if spec.User != "" {
		if err := become(c, spec.User); err != nil {
			return nil, err
		}
	}
	kept := &bounded{}
	c.Stdout, c.Stderr = kept, kept
	err := c.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // a daemon that it started holds its output
		err = nil
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return append([]byte{}, kept.Bytes()...), err
}

// become has a command run as another user: a name, or uid[:gid].
func become(c *exec.Cmd, name string) error {
	id, group, hasGroup := strings.Cut(name, ":")
	known, err := user.Lookup(id)
	if err != nil {
		if known, err = user.LookupId(id); err != nil && !hasGroup {
			return fmt.Errorf("there is no user %s on that machine", id)
		}
	}
	if known == nil {
		known = &user.User{Uid: id}
	}
	if hasGroup {
		known.Gid = group
	}
	uid, uidErr := strconv.ParseUint(known.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(known.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if known.HomeDir != "" {
		c.Env = append(c.Env, "HOME="+known.HomeDir, "USER="+known.Username, "LOGNAME="+known.Username)
	}
	return nil
}

// bounded keeps the end of what is written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	n, err := b.Buffer.Write(p)
	if over := b.Len() - mostOutput; over > 0 {
		b.Next(over)
	}
	return n, err
}
