package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	// primaryTimeout bounds the wait for the primary's port. A server that
	// finds it closed asks again only a second later.
	primaryTimeout = 500 * time.Millisecond
	// stopTimeout bounds a server's graceful end when the other one has ended.
	stopTimeout = 2 * time.Second
)

// Launch runs the server and the Sentinel side by side until one of them ends,
// and passes the signals to stop on to both.
func (t Sentinel) Launch(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("launch %s: give the configuration files of the server and of the Sentinel", t.brand().sentinelName())
	}
	path, err := kit.Find(t.brand().program())
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	if err := awaitPrimary(ctx, args[0]); err != nil {
		return err
	}
	return both(signals, exec.Command(path, args[0]), exec.Command(path, args[1], "--sentinel"))
}

// awaitPrimary waits a short time for the primary that a configuration names.
func awaitPrimary(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the server's configuration: %w", err)
	}
	addr := replicaOf(string(text))
	if addr == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, primaryTimeout)
	defer cancel()
	_ = kit.Retry(ctx, retryEvery, "wait for the primary", func() error { // without it the server starts as well
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return nil
}

// replicaOf is the address of a configuration's replicaof, empty without one.
func replicaOf(config string) string {
	for line := range strings.SplitSeq(config, "\n") {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "replicaof" {
			return net.JoinHostPort(words[1], words[2])
		}
	}
	return ""
}

// both runs two programs; when one ends, or at a signal, both are stopped. The
// error is that of the one that ended unasked.
func both(signals <-chan os.Signal, programs ...*exec.Cmd) error {
	type end struct {
		cmd *exec.Cmd
		err error
	}
	ended := make(chan end, len(programs))
	var running []*exec.Cmd
	var result error
	for _, cmd := range programs {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			result = fmt.Errorf("start %s: %w", strings.Join(cmd.Args, " "), err)
			break
		}
		running = append(running, cmd)
		go func() { ended <- end{cmd, cmd.Wait()} }()
	}
	var late <-chan time.Time // when those that were asked to stop are killed
	asked := false
	pass := func(sig os.Signal) {
		for _, cmd := range running {
			_ = cmd.Process.Signal(sig) // it fails only when it has ended
		}
	}
	if result != nil {
		pass(syscall.SIGKILL)
	}
	for left := len(running); left > 0; {
		select {
		case sig := <-signals:
			asked = true // the agent bounds a stop that it asked for
			pass(sig)
		case e := <-ended:
			if left--; !asked && late == nil && result == nil {
				result = fmt.Errorf("%s ended by itself: %w", strings.Join(e.cmd.Args, " "), orExit0(e.err))
				pass(syscall.SIGTERM)
				late = time.After(stopTimeout)
			}
		case <-late:
			pass(syscall.SIGKILL)
		}
	}
	return result
}

// errExit0 is the error of a server that ended unasked without one.
var errExit0 = errors.New("exit status 0")

func orExit0(err error) error {
	if err == nil {
		return errExit0
	}
	return err
}
