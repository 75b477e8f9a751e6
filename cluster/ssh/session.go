package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	connectTimeout = 10 // seconds, of ssh's ConnectTimeout
	lastGrace      = 2 * time.Second
	mostSaid       = 4 << 10
)

// arguments are ssh's, up to and with the host. Nothing is asked of the user, nothing
// is forwarded, and a connection that the user has open for other sessions is used.
func (t Target) arguments(host string) []string {
	list := []string{"-T"}
	if t.Config != "" {
		list = append(list, "-F", t.Config)
	}
	for _, o := range []string{
		"BatchMode=yes", "ConnectTimeout=" + strconv.Itoa(connectTimeout), "ControlMaster=no", "ClearAllForwardings=yes",
		"ForwardX11=no", "PermitLocalCommand=no", "LogLevel=ERROR",
	} {
		list = append(list, "-o", o)
	}
	if t.User != "" {
		list = append(list, "-l", t.User)
	}
	if t.Port != 0 {
		list = append(list, "-p", strconv.Itoa(t.Port))
	}
	return append(list, "--", host)
}

// asRoot runs a script of the second argument as root: as oneself, or by sudo.
const asRoot = `if [ "$(id -u)" = 0 ]; then exec sh -c "$0"; else exec sudo -n sh -c "$0"; fi`

// remote is what ssh hands to whichever shell the user has there: scripts without a
// single quote and in one line mean the same to all.
func remote(script string, root bool) string {
	script = strings.Join(strings.Fields(script), " ")
	if root {
		return "sh -c '" + asRoot + "' '" + script + "'"
	}
	return "sh -c '" + script + "'"
}

// command makes ssh run a script on a host. It has a session of its own, so that what
// a terminal sends to the harness does not end it.
func (t Target) command(ctx context.Context, host, script string, root bool) (*exec.Cmd, *said) {
	c := exec.CommandContext(ctx, "ssh", append(t.arguments(host), remote(script, root))...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Env = environment()
	c.WaitDelay = lastGrace
	errors := &said{}
	c.Stderr = errors
	return c, errors
}

// run runs a script on a host to its end, and returns what it said.
func (t Target) run(ctx context.Context, host, script string, root bool) (string, error) {
	c, errors := t.command(ctx, host, script, root)
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Run(); err != nil {
		return out.String(), t.explain(ctx, host, err, errors.String())
	}
	return out.String(), nil
}

// said keeps the end of what ssh says for people.
type said struct {
	mu   sync.Mutex
	text []byte
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	s.text = s.text[max(0, len(s.text)-mostSaid):]
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// ownFailure is ssh's exit code for what is its own fault and not the command's.
const ownFailure = 255

// reasons are ssh's words for why there is no connection, what they mean, and the
// remedy. The first that fits is told.
var reasons = []struct{ words, why string }{
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", "its key is another than the one that is known: it was made anew, or somebody else answers; find out which, then `ssh-keygen -R HOST`"},
	{"Host key verification failed", "its key is not known here: `ssh HOST` once, compare the fingerprint and say yes"},
	{"No ED25519 host key is known", "its key is not known here: `ssh HOST` once, compare the fingerprint and say yes"},
	{"Permission denied", "it refuses the login: see that `ssh HOST true` works without a question (keys in the agent or by IdentityFile, and the user)"},
	{"Too many authentication failures", "it refuses the login: the agent has too many keys; name one by IdentityFile with IdentitiesOnly"},
	{"Could not resolve hostname", "nobody knows its name: see that `ssh HOST` finds it"},
	{"Connection refused", "nobody answers on its port of ssh: is sshd running there, and on that port?"},
	{"timed out", "it does not answer: is it up, and reachable from here?"},
	{"No route to host", "it does not answer: is it up, and reachable from here?"},
	{"Network is unreachable", "it does not answer: is it up, and reachable from here?"},
	{"a password is required", "there is no way to become root: log in as root (user: root), or allow sudo without a password"},
	{"sudo: not found", "there is no way to become root: log in as root (user: root), or install sudo"},
}

// explain says in one message why a command could not be run on a host.
func (t Target) explain(ctx context.Context, host string, err error, words string) error {
	who := host
	if t.User != "" {
		who = t.User + "@" + host
	}
	for _, r := range reasons {
		if strings.Contains(words, r.words) {
			return fmt.Errorf("%s (ssh says: %s)", strings.ReplaceAll(r.why, "HOST", who), lastLine(words))
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("it does not answer in time: %w: is it up, and reachable from here?", ctx.Err())
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == ownFailure && words != "" {
		return fmt.Errorf("ssh %s: %s", who, lastLine(words))
	}
	if words != "" {
		return fmt.Errorf("ssh %s: %w: %s", who, err, lastLine(words))
	}
	return fmt.Errorf("ssh %s: %w", who, err)
}

func lastLine(words string) string {
	lines := strings.Split(strings.TrimSpace(words), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
