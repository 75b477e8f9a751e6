// Package meter asks during a run what the nodes take of their machine, and looks
// at the machine and at the harness itself.
package meter

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

// answerTimeout bounds one node's answer; while it is awaited, the node is not
// asked again.
const answerTimeout = 2 * time.Second

// lastTimeout bounds the answer to the last question.
const lastTimeout = 500 * time.Millisecond

// Meter takes samples of a run.
type Meter struct {
	Nodes  []*cluster.Node
	Clock  history.Clock
	Record func(usage.Sample) error
	// Syncs asks a node's server for its own count of syncs; nil: it has none.
	Syncs func(context.Context, *cluster.Node) (int64, error)
}

// Run takes samples of every node, each on its own, of the machine and of this
// process, until ctx ends. What does not answer leaves a gap. It returns the first
// error of Record.
func (m *Meter) Run(ctx context.Context) error {
	var all errgroup.Group // without a context: one node's failure does not end the others'
	for i, n := range m.Nodes {
		if metered, ok := n.Control.(cluster.Metered); ok {
			all.Go(func() error { return m.watch(ctx, func(ctx context.Context) error { return m.ask(ctx, i, metered) }) })
		}
	}
	for i, n := range m.Nodes {
		if m.Syncs != nil {
			count := &counter{}
			all.Go(func() error {
				return m.watch(ctx, func(ctx context.Context) error { return m.count(ctx, i, n, count) })
			})
		}
	}
	all.Go(func() error { return m.watch(ctx, func(context.Context) error { return m.look() }) })
	return all.Wait()
}

// watch takes a sample at once, at every tick, and once more when ctx has ended:
// what was taken until then would otherwise have no upper bound where the run ends
// with its load.
func (m *Meter) watch(ctx context.Context, take func(context.Context) error) error {
	tick := time.NewTicker(time.Second / usage.PerSecond)
	defer tick.Stop()
	for {
		if err := take(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
			defer cancel()
			return take(last)
		case <-tick.C:
		}
	}
}

func (m *Meter) ask(ctx context.Context, i int, node cluster.Metered) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	u, err := node.Usage(ctx)
	if err != nil {
		return nil // a gap tells it
	}
	return m.Record(usage.Sample{At: m.Clock.At(u.At), Node: i, Set: u.Set})
}

// counter makes one that never comes down of a count that begins anew with each
// start of a server. What came between the last look and the end of a server is
// missing.
type counter struct{ before, last int64 }

func (c *counter) add(n int64) int64 {
	if n < c.last {
		c.before += c.last
	}
	c.last = n
	return c.before + n
}

// count asks a server for its own count. It is asked on its own, as one that stands
// still does not answer.
func (m *Meter) count(ctx context.Context, i int, n *cluster.Node, c *counter) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	count, err := m.Syncs(ctx, n)
	if err != nil {
		return nil // a gap tells it
	}
	s := usage.Sample{At: m.Clock.Now(), Node: i, Set: usage.None()}
	s.Set[usage.Syncs] = c.add(count)
	return m.Record(s)
}

// look reads what the kernel tells of the machine and of this process.
func (m *Meter) look() error {
	machine, harness := usage.Sample{At: m.Clock.Now(), Node: usage.Machine, Set: usage.None()}, usage.Sample{Node: usage.Harness, Set: usage.None()}
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		machine.Set[usage.CPU], machine.Set[usage.Steal], machine.Set[usage.Threads] = parseStat(string(text))
	}
	var own unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &own) == nil {
		harness.Set[usage.CPU], harness.Set[usage.Switches] = own.Utime.Nano()+own.Stime.Nano(), own.Nvcsw+own.Nivcsw
	}
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		harness.Set[usage.Memory], harness.Set[usage.Threads] = parseStatus(string(text))
	}
	harness.At = m.Clock.Now()
	if err := m.Record(machine); err != nil {
		return err
	}
	return m.Record(harness)
}

// tick is the kernel's unit of time in /proc, which is the same everywhere.
const tick = int64(10 * time.Millisecond)

// parseStat reads of proc_stat(5) how long all processors together have computed,
// for whatever, how long the hypervisor gave them to other machines, and how many
// there are.
func parseStat(text string) (busy, steal, processors int64) {
	line, rest, _ := strings.Cut(text, "\n")
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "cpu") {
			break
		}
		processors++
	}
	fields := strings.Fields(line)
	const idle, wait, stolen, counted = 4, 5, 8, 9 // guests' time, which follows, is in the user's
	if len(fields) < counted || fields[0] != "cpu" {
		return usage.Unknown, usage.Unknown, usage.Unknown
	}
	for i, text := range fields[1:counted] {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			return usage.Unknown, usage.Unknown, usage.Unknown
		case i+1 == stolen:
			steal = n * tick
		case i+1 != idle && i+1 != wait:
			busy += n * tick
		}
	}
	return busy, steal, processors
}

// parseStatus reads of proc_pid_status(5) what a process holds and how many
// threads it has.
func parseStatus(text string) (bytes, threads int64) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, _ := strconv.ParseInt(number, 10, 64)
		switch name {
		case "RssAnon", "RssShmem":
			bytes += n * 1024
		case "Threads":
			threads = n
		}
	}
	return bytes, threads
}
