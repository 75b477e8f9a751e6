package ssh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// guestScript makes a folder in which programs may run, takes SIZE packed bytes of the
// binary whose sum is SUM, and becomes it. Whatever ends it before removes the folder.
const guestScript = `umask 077; trap "" PIPE; d=;
for t in "${TMPDIR:-/tmp}" /var/tmp /root /dev/shm; do
d=$(mktemp -d "$t/` + agent.GuestFolder + `$$.XXXXXX" 2>/dev/null) || continue;
echo "exit 0" >"$d/try"; chmod 700 "$d/try";
if "$d/try" 2>/dev/null; then break; fi; rm -rf "$d"; d=; done;
if [ -z "$d" ]; then echo "` + agent.GuestRefuses + `no folder there lets programs run (/tmp, /var/tmp, /root, /dev/shm are noexec)"; exit 1; fi;
trap "rm -rf \"$d\"" EXIT; trap "exit 1" HUP INT TERM;
rm -f "$d/try"; echo "` + sayReady + `";
head -c SIZE | gzip -dc >"$d/aftershock";
s=$(sha256sum "$d/aftershock" | cut -c1-64);
if [ "$s" != "SUM" ]; then echo "` + agent.GuestRefuses + `the binary did not arrive whole: is there room on the disk?"; exit 1; fi;
chmod 700 "$d/aftershock"; trap - EXIT; echo "` + sayCopied + `"; exec "$d/aftershock" agent --guest`

// What the script says.
const (
	sayReady  = "aftershock: send the binary"
	sayCopied = "aftershock: the binary is here"
)

// packed is the binary as it goes to hosts.
type packed struct {
	bytes []byte
	sum   string // of the binary itself, SHA-256
}

func pack(path string) (*packed, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the binary that guests are made of: %w", err)
	}
	defer file.Close()
	var to bytes.Buffer
	z, err := gzip.NewWriterLevel(&to, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(z, sum), file)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("pack the binary that guests are made of: %w", err)
	}
	return &packed{to.Bytes(), hex.EncodeToString(sum.Sum(nil))}, nil
}

// guest is a guest on a host and the session that it lives by.
type guest struct {
	client  *agent.Client
	ssh     *exec.Cmd
	in      io.Closer
	session agent.Mux
	errors  *said
	ended   chan struct{} // closed when ssh has ended
}

// agent is how the guest is spoken to; of no guest nil.
func (g *guest) agent() *agent.Client {
	if g == nil {
		return nil
	}
	return g.client
}

const (
	meetTimeout = 90 * time.Second // from a login to a guest that answers, with the copy
	endTimeout  = 5 * time.Second  // for a guest to heal and end when it was asked to
	mostNoise   = 64 << 10         // that a login shell may say before the script does, in bytes
)

// meet brings a guest to a host; key is what its secret is for.
func (t Target) meet(ctx context.Context, host, key string, p *packed, authority *agent.Authority, i agent.Invitation) (*guest, error) {
	ctx, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	script := strings.NewReplacer("SIZE", strconv.Itoa(len(p.bytes)), "SUM", p.sum).Replace(guestScript)
	c, words := t.command(context.WithoutCancel(ctx), host, script, true)
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	g := &guest{ssh: c, in: in, errors: words, ended: make(chan struct{})}
	// Who takes too long is ended, so that no read waits for ever.
	stop := context.AfterFunc(ctx, g.kill)
	err = g.greet(ctx, host, key, p, authority, i, in, out)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return g, nil
	}
	g.kill()
	_ = in.Close()
	if g.session.Session != nil {
		_ = g.session.Close()
		<-g.ended
		if said := lastLine(words.String()); said != "" {
			err = fmt.Errorf("%w; the guest says: %s", err, said)
		}
		return nil, err
	}
	if waitErr := c.Wait(); waitErr != nil && !errors.Is(err, errRefused) {
		err = t.explain(ctx, host, errors.Join(err, waitErr), words.String())
	}
	return nil, err
}

// errRefused is wrapped by what the other side says about why there is no guest.
var errRefused = errors.New("no guest can live there")

// greet sends the binary and the invitation, and opens the control channel.
func (g *guest) greet(ctx context.Context, host, key string, p *packed, authority *agent.Authority, i agent.Invitation, in io.WriteCloser, out io.ReadCloser) error {
	line, err := json.Marshal(i)
	if err != nil {
		return err
	}
	reader := bufio.NewReader(out)
	if err := await(reader, sayReady); err != nil {
		return err
	}
	if _, err := in.Write(p.bytes); err != nil {
		return fmt.Errorf("copy the binary: %w", err)
	}
	if err := await(reader, sayCopied); err != nil {
		return err
	}
	if _, err := in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("invite the guest: %w", err)
	}
	if err := await(reader, agent.GuestReady); err != nil {
		return err
	}
	if g.session, err = agent.NewMux(channel{reader, in, out}, true); err != nil {
		return err
	}
	go func() {
		defer close(g.ended)
		<-g.session.CloseChan() // nobody reads any more, as Wait asks for
		_ = in.Close()
		_ = g.ssh.Wait()
	}()
	g.client, err = authority.DialBy(ctx, g.session.Dial, host, key, i.Lease)
	return err
}

// await reads lines up to one that says it, past what a login shell may say.
func await(r *bufio.Reader, want string) error {
	_, err := awaitAny(r, want)
	return err
}

// awaitAny reads lines up to one of those that are wanted, and returns it.
func awaitAny(r *bufio.Reader, wanted ...string) (string, error) {
	for read := 0; read < mostNoise; {
		line, err := r.ReadString('\n')
		read += len(line)
		line = strings.TrimSpace(line)
		if why, ok := strings.CutPrefix(line, strings.TrimSpace(agent.GuestRefuses)); ok {
			return "", fmt.Errorf("%w: %s", errRefused, strings.TrimSpace(why))
		}
		if slices.Contains(wanted, line) {
			return line, nil
		}
		if err != nil {
			return "", fmt.Errorf("the session ended before it said %q: %w", strings.Join(wanted, " or "), err)
		}
	}
	return "", fmt.Errorf("%w: its login shell talks without end", errRefused)
}

// channel is the session's standard input and output.
type channel struct {
	io.Reader
	in  io.WriteCloser
	out io.Closer
}

func (c channel) Write(p []byte) (int, error) { return c.in.Write(p) }
func (c channel) Close() error                { return errors.Join(c.in.Close(), c.out.Close()) }

func (g *guest) kill() {
	if g.ssh.Process != nil {
		_ = g.ssh.Process.Kill()
	}
}

// lost ends what is left here of a guest that is not heard of.
func (g *guest) lost() {
	g.client.Abandon()
	_ = g.session.Close()
	g.kill()
	<-g.ended
}

// end asks the guest to let go what it holds and to end, and waits until its session
// has.
func (g *guest) end() error {
	err := g.client.Close()
	_ = g.in.Close()
	timer := time.NewTimer(endTimeout)
	defer timer.Stop()
	select {
	case <-g.session.CloseChan():
	case <-timer.C:
		err = errors.Join(err, fmt.Errorf("the guest does not end in %s", endTimeout))
	}
	_ = g.session.Close()
	g.kill()
	<-g.ended
	return err
}
