package attached

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/plan"
)

const (
	mostOutput = 1 << 20         // of a command that is kept
	lastGrace  = 2 * time.Second // for what a command has started, once it has ended
)

// Here runs a plan's command on this machine, in a group of processes of its own,
// which is killed if ctx ends first. Its environment is the harness's without the
// variable that has the deployment's password.
func Here(p *plan.Plan) func(ctx context.Context, command []string) ([]byte, error) {
	return func(ctx context.Context, command []string) ([]byte, error) {
		c := exec.CommandContext(ctx, command[0], command[1:]...)
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
		c.WaitDelay = lastGrace
		c.Env = Environ(p)
		out := &bounded{}
		c.Stdout, c.Stderr = out, out
		err := c.Run()
		return out.Bytes(), err
	}
}

// Environ is the harness's environment without the variable that has the password of
// a plan's deployment: other processes get this one.
func Environ(p *plan.Plan) []string {
	secret, _ := attach.ParseSecret(p.Target.Connect.Password) // it was checked with the plan
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return secret.Variable() != "" && name == secret.Variable()
	})
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
