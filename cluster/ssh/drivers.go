package ssh

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// NewHost is a host whose nodes are folders on hosts that are reached by ssh, in turn. They
// are bare: what runs there is a command of the aftershock binary, as the user who logs in,
// who need not be root; its connections come over the session, with which it ends. No action
// but a kill is possible.
func NewHost(t Target) cluster.Host { return host{t} }

type host struct{ target Target }

// Name is "ssh".
func (host) Name() string { return "ssh" }

// Launch implements cluster.Host. Nothing is on the hosts before a node is started.
func (h host) Launch(ctx context.Context, spec cluster.Spec) (cluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	if _, err := Available(ctx); err != nil {
		return nil, err
	}
	wanted, err := architecture(spec.Binary)
	if err != nil {
		return nil, err
	}
	hosts := h.target.Hosts
	if len(hosts) == 0 {
		return nil, errors.New("ssh: no host is named")
	}
	used := hosts[:min(len(hosts), len(spec.Nodes))]
	found, errs := make([]seen, len(used)), make([]error, len(used))
	var looking sync.WaitGroup
	for i, name := range used {
		looking.Go(func() {
			if found[i], errs[i] = h.target.probe(ctx, name); errs[i] == nil {
				errs[i] = found[i].runs(wanted)
			}
			if errs[i] != nil {
				errs[i] = fmt.Errorf("ssh: %s: %w", name, errs[i])
			}
		})
	}
	looking.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p, err := pack(spec.Binary)
	if err != nil {
		return nil, err
	}
	here, err := guests.Towards(found[0].addr)
	if err != nil {
		return nil, fmt.Errorf("ssh: %s: no way from here to its address %s: %w", used[0], found[0].addr, err)
	}
	if spec.Launch == "" {
		spec.Launch = rand.Text()
	}
	c := &crew{harness: here}
	for i, n := range spec.Nodes {
		if !n.Bare {
			return nil, fmt.Errorf("ssh: node %s has a server, and hosts that are reached by ssh have drivers alone", n.Name)
		}
		at := i % len(used)
		d := &driver{target: h.target, host: used[at], packed: p, exits: make(chan cluster.Exit, 4),
			folder: driverFolder + strings.ToLower(spec.Launch) + "-" + n.Name, ended: make(chan struct{})}
		c.drivers = append(c.drivers, d)
		c.nodes = append(c.nodes, &cluster.Node{Name: n.Name, Index: i, Addr: found[at].addr, Control: d, Away: d.away})
	}
	return c, nil
}

// crew implements cluster.Cluster.
type crew struct {
	nodes   []*cluster.Node
	drivers []*driver
	harness netip.Addr
}

func (c *crew) Nodes() []*cluster.Node  { return c.nodes }
func (c *crew) HarnessAddr() netip.Addr { return c.harness }

// Close ends every session and removes the folders.
func (c *crew) Close(ctx context.Context) error {
	errs := make([]error, len(c.drivers))
	var ending sync.WaitGroup
	for i, d := range c.drivers {
		ending.Go(func() { errs[i] = d.remove(ctx) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// driver is one node. It implements cluster.Control.
type driver struct {
	target Target
	host   string
	folder string
	packed *packed
	exits  chan cluster.Exit
	ended  chan struct{} // closed by Close

	mu      sync.Mutex
	session *guest // nil: nothing is started
	planned bool
	begun   bool // something may be on the host
	closed  bool
	output  relay
}

var _ cluster.Control = (*driver)(nil)

// away says what ssh says of a host whose session has ended.
func (d *driver) away(ctx context.Context) string {
	if _, err := d.target.run(ctx, d.host, "true", false); err != nil {
		return d.host + ": " + err.Error()
	}
	return d.host + " answers by ssh"
}

// Start begins a session in which a command of the binary runs. spec's command is
// cluster.Self and the command's name.
func (d *driver) Start(ctx context.Context, spec cluster.ServerSpec) error {
	if len(spec.Command) != 2 || spec.Command[0] != cluster.Self {
		return fmt.Errorf("%w: only commands of the aftershock binary run there", cluster.ErrCannot)
	}
	ctx, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session != nil || d.closed {
		return errors.New("a session is there already, or was closed")
	}
	d.begun = true
	g, err := d.target.begin(ctx, d.host, spec.Command[1], d.folder, d.packed, &d.output)
	if err != nil {
		return fmt.Errorf("%s: %w", d.host, err)
	}
	d.session, d.planned = g, false
	go func() {
		<-g.ended
		d.mu.Lock()
		planned := d.planned
		if d.session == g {
			d.session = nil
		}
		d.mu.Unlock()
		select {
		case d.exits <- cluster.Exit{At: time.Now(), Code: -1, Planned: planned}:
		default: // nobody has asked for those before
		}
	}()
	return nil
}

// begin starts a session on a host, brings the binary if it is not there, and opens the
// way over it.
func (t Target) begin(ctx context.Context, host, command, folder string, p *packed, output *relay) (*guest, error) {
	script := strings.NewReplacer("FOLDER", folder, "SIZE", strconv.Itoa(len(p.bytes)), "SUM", p.sum, "COMMAND", command).Replace(driverScript)
	c, words := t.command(context.WithoutCancel(ctx), host, script, false)
	c.Stderr = io.MultiWriter(words, output)
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
	stop := context.AfterFunc(ctx, g.kill) // who takes too long is ended, so that no read waits for ever
	reader := bufio.NewReader(out)
	said, err := awaitAny(reader, sayReady, sayCopied)
	if err == nil && said == sayReady {
		if _, err = in.Write(p.bytes); err == nil {
			err = await(reader, sayCopied)
		}
	}
	if err == nil {
		g.session, err = agent.NewMux(channel{reader, in, out}, true)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		g.kill()
		_ = in.Close()
		if g.session.Session != nil {
			_ = g.session.Close()
		}
		if waitErr := c.Wait(); waitErr != nil && !errors.Is(err, errRefused) {
			err = t.explain(ctx, host, errors.Join(err, waitErr), words.String())
		}
		return nil, err
	}
	go func() {
		defer close(g.ended)
		<-g.session.CloseChan() // nobody reads any more, as Wait asks for
		_ = in.Close()
		_ = c.Wait()
	}()
	return g, nil
}

// Do puts a kill into effect: the session ends, and what runs in it.
func (d *driver) Do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	if a.Kind != cluster.Kill {
		return cluster.Effect{}, fmt.Errorf("%s: %w", a.Kind, cluster.ErrCannot)
	}
	d.mu.Lock()
	d.planned = true
	d.mu.Unlock()
	_, err := d.target.run(ctx, d.host, strings.NewReplacer("FOLDER", d.folder, "REMOVE", "no").Replace(endScript), false)
	d.hangUp()
	return cluster.Effect{At: time.Now(), Changed: true}, err
}

// hangUp ends the session, if there is one.
func (d *driver) hangUp() {
	d.mu.Lock()
	g := d.session
	d.mu.Unlock()
	if g == nil {
		return
	}
	_ = g.session.Close()
	timer := time.NewTimer(endTimeout)
	defer timer.Stop()
	select {
	case <-g.ended:
		return
	case <-timer.C:
	}
	g.kill()
	<-g.ended
}

// remove ends what runs there, removes the folder, and ends the session.
func (d *driver) remove(ctx context.Context) error {
	begun := d.close()
	var err error
	if begun {
		if _, err = d.target.run(ctx, d.host, strings.NewReplacer("FOLDER", d.folder, "REMOVE", "yes").Replace(endScript), false); err != nil {
			err = fmt.Errorf("%s: remove the folder %s (its process does so itself after %s): %w", d.host, d.folder, linger, err)
		}
	}
	d.hangUp()
	return err
}

// close has nothing begin any more, and tells whether something has that was not removed.
func (d *driver) close() (begun bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.ended)
	}
	begun, d.begun, d.planned = d.begun, false, true
	return begun
}

// DialServer opens a connection to the command, whatever the port.
func (d *driver) DialServer(ctx context.Context, _ int) (net.Conn, error) {
	d.mu.Lock()
	g := d.session
	d.mu.Unlock()
	if g == nil {
		return nil, fmt.Errorf("%s: %w", d.host, net.ErrClosed)
	}
	return g.session.Dial(ctx)
}

// Exits delivers the ends of sessions.
func (d *driver) Exits() <-chan cluster.Exit { return d.exits }

// CopyOutput copies what the command says for people.
func (d *driver) CopyOutput(ctx context.Context, w io.Writer) error {
	d.output.to(w)
	defer d.output.to(nil)
	select {
	case <-ctx.Done():
	case <-d.ended:
	}
	return nil
}

// Probe is not possible there.
func (*driver) Probe(context.Context, netip.AddrPort, time.Duration) error { return cluster.ErrCannot }

// Run is not possible there.
func (*driver) Run(context.Context, cluster.ServerSpec) ([]byte, error) {
	return nil, cluster.ErrCannot
}

// Close ends what runs there; the crew's removes the folder.
func (d *driver) Close() error {
	d.hangUp()
	return nil
}
