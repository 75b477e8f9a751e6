package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
)

// nodeLink is the node's end of its cable.
const nodeLink = "eth0"

const (
	closeTime   = 10 * time.Second // of a launch that failed
	politeTime  = time.Second      // for an agent to end by itself
	carrierTime = 5 * time.Second  // for a new cable to carry packets
	tailSize    = 8 << 10          // of an agent's own messages
)

// member is one node's process, network and client.
type member struct {
	name   string
	ip     net.IP
	link   string // the bridge's end of the node's cable
	dir    string
	logger *slog.Logger

	cmd    *exec.Cmd
	tail   tail
	ended  chan struct{} // closed when the agent has ended; nil before it was started
	client *agent.Client
	linked bool
	groups *groups // nil before they are made
}

// launch starts the agent and waits for its answer.
func (m *member) launch(ctx context.Context, network *network, spec cluster.Spec, authority *agent.Authority) error {
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		return err
	}
	secret, err := authority.Secret(m.name)
	if err != nil {
		return err
	}
	seen := viewOf(spec.Programs, os.Getenv("PATH"))
	own, err := seen.root(m, spec)
	if err != nil {
		return err
	}
	options := agent.Options{Lease: spec.Lease, DataDir: filepath.Join(nodeDir, "data"), Root: own, Volume: spec.Needs.Volume}
	if spec.Needs.Volume != nil {
		if err := volume.Available(); err != nil {
			return fmt.Errorf("%w: put the data directory on a volume that can lose its power: %w", cluster.ErrUnavailable, err)
		}
		own.Devices = []string{filepath.Base(volume.Device)}
		if spec.Needs.Volume.Real != "" {
			if err := ext4.Available(); err != nil {
				return fmt.Errorf("%w: put a true file system under the data directory: %w", cluster.ErrUnavailable, err)
			}
			own.Devices = append(own.Devices, filepath.Base(ext4.Control))
		}
	}
	if err := m.limit(spec, &options); err != nil {
		return err
	}
	m.cmd = exec.Command(spec.Binary, "agent")
	m.cmd.Env = append(seen.environment(), options.Environ()...)
	m.cmd.Dir = m.dir
	m.cmd.Stdin = bytes.NewReader(secret.Encode())
	m.cmd.Stderr = &m.tail
	m.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Setsid:     true, // a terminal's Ctrl-C is the harness's matter
		Pdeathsig:  syscall.SIGKILL,
	}
	started, ended := make(chan error, 1), make(chan struct{})
	go m.live(network, started, ended)
	if err := <-started; err != nil {
		return err
	}
	m.ended = ended
	dialling, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-ended:
			cancel(fmt.Errorf("the agent ended at once: %s", m.tail.String()))
		case <-dialling.Done():
		}
	}()
	addr, _ := netip.AddrFromSlice(m.ip)
	m.client, err = authority.Dial(dialling, netip.AddrPortFrom(addr, cluster.ControlPort), m.name, spec.Lease)
	if err != nil && dialling.Err() != nil {
		err = context.Cause(dialling)
	}
	return err
}

// limit holds the node to its limits: by control groups where these may be made,
// else by a limit of its user's processes, which all nodes share.
func (m *member) limit(spec cluster.Spec, options *agent.Options) error {
	limits := spec.Limits
	if limits.Processes == 0 {
		limits.Processes = cluster.DefaultProcesses
	}
	var ok bool
	var err error
	if m.groups, ok, err = makeGroups(cgroupRoot, groupOf(filepath.Dir(m.dir), m.name), limits); err != nil {
		return err
	}
	options.MemoryEvents, options.MemoryLimit = m.groups.events, limits.Memory
	if !ok {
		options.Processes = limits.Processes * len(spec.Nodes)
	}
	return nil
}

// live makes the node's network, starts the agent and waits for its end. Its
// thread enters the node's network and UTS namespaces before it forks, so the
// agent's network is complete when the agent begins, and no ARP request is lost
// on it; and it lives as long as the agent, whose Pdeathsig follows the thread.
func (m *member) live(network *network, started chan<- error, ended chan<- struct{}) {
	defer close(ended)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	err := m.enter(network)
	if err == nil {
		err = m.cmd.Start()
	}
	if err == nil {
		// The agent starts nothing before its first client, and m is that.
		if err = m.groups.add(m.cmd.Process.Pid); err != nil {
			_ = m.cmd.Process.Kill()
			_ = m.cmd.Wait() // the error that counts is the first
		}
	}
	started <- err
	if err != nil {
		return
	}
	if err := m.cmd.Wait(); err != nil {
		m.logger.Debug("agent ended", slog.String("node", m.name), slog.Any("error", err), slog.String("said", m.tail.String()))
	}
}

// enter moves the calling thread into new namespaces and connects them.
func (m *member) enter(network *network) error {
	if err := syscall.Unshare(syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("make the node's namespaces: %w", err)
	}
	if err := syscall.Sethostname([]byte(m.name)); err != nil {
		return fmt.Errorf("set the node's host name: %w", err)
	}
	here, err := netns.Get()
	if err != nil {
		return fmt.Errorf("name the node's network namespace: %w", err)
	}
	defer here.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex, attrs.Flags = m.link, network.bridge, net.FlagUp
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: nodeLink, PeerHardwareAddr: hardware(m.ip), PeerNamespace: netlink.NsFd(here)}
	if err := network.handle.LinkAdd(cable); err != nil {
		if errors.Is(err, syscall.EEXIST) {
			return fmt.Errorf("connect the node to the bridge: %w: close the other cluster of this sandbox first", err)
		}
		return fmt.Errorf("connect the node to the bridge: %w", err)
	}
	m.linked = true
	if err := upLoopback(); err != nil {
		return err
	}
	eth0, err := netlink.LinkByName(nodeLink)
	if err != nil {
		return fmt.Errorf("find the node's interface: %w", err)
	}
	if err := netlink.AddrAdd(eth0, &netlink.Addr{IPNet: &net.IPNet{IP: m.ip, Mask: netMask}}); err != nil {
		return fmt.Errorf("give the node its address: %w", err)
	}
	if err := netlink.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("bring the node's interface up: %w", err)
	}
	return m.carries(network)
}

// carries waits until packets pass both ends of the cable and the bridge. The
// kernel turns them on by and by; an ARP request that was lost on one that is
// still off would be repeated a whole second later.
func (m *member) carries(network *network) error {
	ends := []struct {
		find func(string) (netlink.Link, error)
		name string
	}{
		{netlink.LinkByName, nodeLink}, {network.handle.LinkByName, m.link}, {network.handle.LinkByName, bridgeName},
	}
	deadline := time.Now().Add(carrierTime)
	for _, end := range ends {
		for {
			link, err := end.find(end.name)
			if err != nil {
				return fmt.Errorf("see the cable's state: %w", err)
			}
			if link.Attrs().OperState == netlink.OperUp {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("interface %s does not come up in %s", end.name, carrierTime)
			}
			time.Sleep(500 * time.Microsecond)
		}
	}
	return nil
}

// away says what is known of an agent that is not heard of.
func (m *member) away(context.Context) string {
	select {
	case <-m.ended:
		return "its agent ended: " + m.cmd.ProcessState.String()
	default:
		return fmt.Sprintf("its agent, process %d, runs, and does not answer", m.cmd.Process.Pid)
	}
}

// close ends the agent, by force if it must, and takes the cable away.
func (m *member) close(ctx context.Context, network *network) error {
	if m.ended != nil {
		patience := time.Duration(0)
		if m.client != nil && m.client.Close() == nil {
			patience = politeTime
		}
		polite := time.NewTimer(patience)
		defer polite.Stop()
		select {
		case <-m.ended:
		case <-polite.C:
			_ = m.cmd.Process.Kill() // with it, the kernel kills the whole node
		case <-ctx.Done():
			_ = m.cmd.Process.Kill()
		}
		select {
		case <-m.ended:
		case <-ctx.Done():
			return fmt.Errorf("node %s does not end: %w", m.name, ctx.Err())
		}
	}
	if m.groups != nil {
		if err := m.groups.remove(ctx); err != nil {
			return err
		}
	}
	if !m.linked {
		return nil
	}
	// The kernel takes an ended namespace's interfaces away by and by; the next
	// cluster needs the name now.
	link, err := network.handle.LinkByName(m.link)
	if err == nil {
		err = network.handle.LinkDel(link)
	}
	if gone := (netlink.LinkNotFoundError{}); err != nil && !errors.As(err, &gone) && !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("take the cable of node %s away: %w", m.name, err)
	}
	m.linked = false
	return nil
}

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - tailSize; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := strings.TrimSpace(string(t.buf)); s != "" {
		return s
	}
	return "(no message)"
}
