package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// EnvSandbox is "1" in the environment of a process that Command made.
const EnvSandbox = "AFTERSHOCK_SANDBOX"

// teardownTime is how long a sandboxed process has to end by itself after its
// context ended and it was sent SIGTERM.
const teardownTime = 30 * time.Second

// terminateAgain is the time between two SIGTERMs to a sandboxed process.
const terminateAgain = 100 * time.Millisecond

// Command returns a command that executes `self args…` inside fresh network,
// mount and PID namespaces, and a user namespace where this process lacks the
// rights, in which it is root. The process is PID 1 there: the kernel kills
// whatever it started when it dies. It must call EnterSandbox first.
//
// The command is in a process group of its own, so a terminal's Ctrl-C does not
// reach it. When ctx ends it is sent SIGTERM, and SIGKILL half a minute later.
// Start it with Start, so that it dies with this process.
func Command(ctx context.Context, self string, args []string) (*exec.Cmd, error) {
	if InSandbox() {
		return nil, errors.New("this process is in a sandbox already")
	}
	if self == "" {
		var err error
		if self, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program's own file: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(passed(os.LookupEnv), EnvSandbox+"=1")
	cmd.SysProcAttr = sandboxAttr()
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = teardownTime
	return cmd, nil
}

// terminate sends SIGTERM until the process has ended. Its first ones may get
// lost: the kernel keeps from PID 1 of a namespace the signals that it does not yet
// catch. One that has caught it must not mind another.
func terminate(p *os.Process) error {
	err := p.Signal(syscall.SIGTERM)
	if err != nil {
		return err
	}
	go func() {
		again := time.NewTicker(terminateAgain)
		defer again.Stop()
		for p.Signal(syscall.SIGTERM) == nil {
			<-again.C
		}
	}()
	return nil
}

// Start starts a command of Command and returns the function that waits for
// its end, to be called once. The kernel sends Pdeathsig when the thread that
// forked ends, not the process; so a goroutine with a thread of its own starts
// the command and stays until it has ended.
func Start(cmd *exec.Cmd) (wait func() error, err error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start a sandbox: %w", explainNamespaces(err))
	}
	return func() error { return <-ended }, nil
}

// sandboxAttr asks for the namespaces of a sandbox.
func sandboxAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	if !privileged() {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// privileged tells whether this process may make namespaces and networks
// without a user namespace; root of a container often may not.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	has := func(c uint) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	return os.Geteuid() == 0 && has(unix.CAP_SYS_ADMIN) && has(unix.CAP_NET_ADMIN)
}

// passedNames are the variables of the user's that a sandboxed process gets: where
// programs and temporary folders are, and the time zone in which run directories
// are named. The rest would set up the drivers in it behind the plan's back.
var passedNames = []string{"PATH", "HOME", "TMPDIR", "TZ", "LANG"}

func passed(lookup func(string) (string, bool)) []string {
	env := []string{}
	for _, name := range passedNames {
		if value, ok := lookup(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// InSandbox tells whether this process was started by a command of Command.
func InSandbox() bool { return os.Getenv(EnvSandbox) == "1" && os.Getpid() == 1 }

// The sandbox's network: the harness is at the bridge's own address, node i at
// 10.77.0.(10+i).
const (
	bridgeName = "aftershock0"
	firstNode  = 10
	mostNodes  = 255 - firstNode
)

var (
	bridgeIP = net.IPv4(10, 77, 0, 1).To4()
	netMask  = net.CIDRMask(24, 32)
)

// EnterSandbox makes the namespaces of a sandboxed process usable: it mounts
// /proc and makes the bridge. Nothing of it is seen outside.
//
// Orphans need no reaping here: those of a node are adopted by its own PID 1,
// and the harness starts nothing else.
func EnterSandbox() error {
	if !InSandbox() {
		return errors.New("this process is in no sandbox: start it through local.Command")
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("%w: make the sandbox's mounts private: %w: in a container, run it with --privileged", cluster.ErrUnavailable, err)
	}
	err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	if err != nil {
		return fmt.Errorf("%w: mount /proc in the sandbox: %w: in a container, run it with --security-opt systempaths=unconfined", cluster.ErrUnavailable, err)
	}
	if err := upLoopback(); err != nil {
		return err
	}
	return makeBridge()
}

func upLoopback() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring the loopback interface up: %w", err)
	}
	return nil
}

// makeBridge gives the bridge a hardware address of its own: one that follows
// its ports' would change with each node, and stale ARP entries would lose the
// first packets.
func makeBridge() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = bridgeName, hardware(bridgeIP)
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("%w: make a bridge: %w: load the kernel module bridge", cluster.ErrUnavailable, err)
	}
	if err := netlink.AddrAdd(bridge, &netlink.Addr{IPNet: &net.IPNet{IP: bridgeIP, Mask: netMask}}); err != nil {
		return fmt.Errorf("give the bridge its address: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bring the bridge up: %w", err)
	}
	return nil
}

// hardware is the locally administered hardware address that belongs to ip. A
// node of the next cluster at the same address has the same, so no neighbour's
// table is ever wrong.
func hardware(ip net.IP) net.HardwareAddr {
	ip = ip.To4()
	return net.HardwareAddr{0x02, 0xaf, ip[0], ip[1], ip[2], ip[3]}
}
