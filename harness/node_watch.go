package harness

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/history"
)

// serverLog is the file of a node's folder that has its server's output.
const serverLog = "server.log"

// nodeLogs are the actors that copy each server's output into the run directory.
func nodeLogs(nodes []*cluster.Node, rec *record) []actor {
	var list []actor
	for _, n := range nodes {
		list = append(list, actor{name: "log of " + n.Name, run: silent(func(ctx context.Context) {
			if err := rec.copyOutput(ctx, n); err != nil && ctx.Err() == nil {
				rec.log.Warn("the server's output is not kept, or not all of it", "node", n.Name, "err", err)
			}
		})})
	}
	return list
}

func (r *record) copyOutput(ctx context.Context, n *cluster.Node) error {
	dir, err := r.dir.NodeDir(n.Name)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, serverLog))
	if err != nil {
		return err
	}
	defer file.Close()
	return n.CopyOutput(ctx, file)
}

// nodeExits are the actors that record every end of a server process, and the
// loss of a node.
func nodeExits(nodes []*cluster.Node, clock history.Clock, rec *record) []actor {
	var list []actor
	for _, n := range nodes {
		list = append(list, actor{name: "exits of " + n.Name, run: silent(func(ctx context.Context) { recordExits(ctx, n, clock, rec) })})
	}
	return list
}

// awayTimeout bounds the question to the host about a node that was lost.
const awayTimeout = 5 * time.Second

func recordExits(ctx context.Context, n *cluster.Node, clock history.Clock, rec *record) {
	for {
		select {
		case <-ctx.Done():
			return
		case exit, ok := <-n.Exits():
			if ok {
				rec.emit(exitEvent(ctx, n, clock, exit, rec))
				continue
			}
			if ctx.Err() == nil {
				rec.emit(awayEvent(ctx, n, clock))
			}
			return
		}
	}
}

// awayEvent tells of a node whose control channel was lost.
func awayEvent(ctx context.Context, n *cluster.Node, clock history.Clock) history.Event {
	e := history.Event{At: clock.Now(), Kind: history.EventAway, Node: n.Name, Failed: true, Detail: "its agent was not heard of for longer than its lease"}
	if n.Away == nil {
		return e
	}
	ctx, cancel := context.WithTimeout(ctx, awayTimeout)
	defer cancel()
	if words := n.Away(ctx); words != "" {
		e.Detail = words
	}
	return e
}

// outputTime is how long a server's last words may take to arrive.
const outputTime = 400 * time.Millisecond

// exitEvent tells of the end of a server, and what it said if nobody asked for it.
func exitEvent(ctx context.Context, n *cluster.Node, clock history.Clock, exit cluster.Exit, rec *record) history.Event {
	e := history.Event{At: clock.At(exit.At), Kind: history.EventExit, Node: n.Name, Fault: exit.By, Failed: !exit.Planned}
	e.Cause, e.Detail = exitCause(exit)
	if exit.Planned {
		return e
	}
	if e.At < 0 {
		e.Cause, e.Detail = "", e.Detail+", while the cluster formed"
		return e
	}
	load.SleepUntil(ctx, clock, clock.Now()+int64(outputTime))
	e.Log = rec.lastWords(n.Name)
	return e
}

// exitCause says who ended a server, and in words how it ended. A program that
// starts the server itself (see targets/kit) ends with 128 and the number of the
// signal that the server ended by, as shells do.
func exitCause(exit cluster.Exit) (history.Cause, string) {
	words, sig := fmt.Sprintf("exit code %d", exit.Code), signalOf(exit.Signal)
	switch {
	case exit.Signal != "":
		words = "signal: " + exit.Signal
	case exit.Code > 128 && exit.Code < 128+64:
		sig = syscall.Signal(exit.Code - 128)
		words = "signal: " + sig.String()
	}
	switch {
	case exit.Planned && exit.By != "":
		return history.ByFault, words
	case exit.Planned:
		return history.ByHarness, words
	case exit.Memory:
		return history.ByMemory, words + ", by the kernel, as there was no memory left"
	case sig == syscall.SIGKILL || sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGHUP || sig == syscall.SIGQUIT:
		return history.ByOther, words + ", sent neither by the plan nor by the harness"
	case sig == 0 && exit.Code == 0:
		return history.ByNobody, words + ", by itself or because somebody asked it to"
	}
	return history.ByItself, words + ", by itself"
}

// signalOf is the signal that has a name, 0 if none has.
func signalOf(name string) syscall.Signal {
	for sig := syscall.Signal(1); name != "" && sig < 65; sig++ {
		if sig.String() == name {
			return sig
		}
	}
	return 0
}

const (
	tailBytes    = 128 << 10 // of a server's output that are looked through
	tellingLines = 5         // that are told
	tellingBytes = 300       // of each
)

// lastWords are the lines at the end of a node's output that tell why its server
// ended, as far as lines can; nil if there are none.
func (r *record) lastWords(node string) []string {
	dir, err := r.dir.NodeDir(node)
	if err != nil {
		return nil
	}
	file, err := os.Open(filepath.Join(dir, serverLog))
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = file.Seek(-tailBytes, io.SeekEnd) // else the beginning is read
	}
	text, _ := io.ReadAll(io.LimitReader(file, tailBytes))
	return telling(strings.ToValidUTF8(string(text), "?"))
}

// What lines about an end say, in the words of most servers: the plain words
// first, of which the first line tells most, then those of trouble in general, of
// which the last do.
var (
	fatal    = regexp.MustCompile(`(?i)\bpanic|fatal|\bsig(segv|abrt|bus|ill|fpe)\b|assert|segfault|segmentation|out of memory|no space left|corrupt|boot failed|terminating on|uncaught`)
	troubled = regexp.MustCompile(`(?i)\berr(or)?\b|abort|exception|crash|cannot|could not|failed|refused|unexpected|invalid`)
)

// telling chooses the lines of a server's last output that tell of its end, or
// else of trouble, or else the last of all, in their order.
func telling(text string) []string {
	var lines, worst, bad []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		line = strings.ToValidUTF8(line[:min(len(line), tellingBytes)], "")
		lines = append(lines, line)
		if fatal.MatchString(line) {
			worst = append(worst, line)
		} else if troubled.MatchString(line) {
			bad = append(bad, line)
		}
	}
	switch {
	case len(worst) > 0:
		return worst[:min(len(worst), tellingLines)]
	case len(bad) > 0:
		lines = bad
	}
	return lines[max(0, len(lines)-tellingLines):]
}
