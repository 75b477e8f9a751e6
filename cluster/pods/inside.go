package pods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// maxOutput bounds what Run keeps, in bytes.
const maxOutput = 1 << 20

// Run implements cluster.Control through exec in the server's container, as its user. A
// command that outlives ctx goes on in the container.
func (n *node) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	output, err := n.run(ctx, spec)
	if err != nil {
		err = fmt.Errorf("run a command in %s: %w", n.Public.Name, err)
	}
	return output, err
}

func (n *node) run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	s := n.look()
	switch {
	case len(spec.Command) == 0:
		return nil, errors.New("no command")
	case spec.Command[0] == cluster.Self || len(spec.Files) > 0:
		return nil, fmt.Errorf("%w: only programs of its own image run in a container of somebody else's", cluster.ErrCannot)
	case spec.User != "" || spec.Dir != "" || len(spec.Env) > 0:
		return nil, fmt.Errorf("%w: commands in a pod run as its own user, in its own folder and environment", cluster.ErrCannot)
	case s.pod == nil:
		return nil, guests.ErrDown
	}
	kept := &bounded{}
	err := n.d.api.Exec(ctx, s.pod.Name, s.container, spec.Command, api.Streams{Out: kept, Err: kept})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return kept.bytes(), remedy(err, n.d.api)
}

// logPause is between two attempts at reading a container's log.
const logPause = 300 * time.Millisecond

// CopyOutput implements cluster.Control: the container's log, from now on, also when it
// starts again.
func (n *node) CopyOutput(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.d.Context, cancel)()
	to := &writeErrors{w: w}
	last, whole := "", false // of a container that runs already, what it says from now on
	for {
		var s seen
		var life string
		// What ended while its log was read to the end is not read again.
		err := n.Wait(ctx, func() bool {
			s, life = n.seen, n.life
			return life != "" && life != last
		})
		var log io.ReadCloser
		if err == nil {
			log, err = n.d.api.Log(ctx, s.pod.Name, s.container, whole)
		}
		if err == nil {
			_, err = io.Copy(to, log)
			_ = log.Close()
			last, whole = life, true
			if n.outlives(ctx, life) { // the stream tore
				last, whole = "", false
			}
		}
		switch {
		case n.d.Context.Err() != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case to.err != nil:
			return fmt.Errorf("copy the output of %s: %w", n.Public.Name, to.err)
		case err != nil:
			n.d.Log.Debug("pods", "log of", n.Public.Name, "error", remedy(err, n.d.api))
		}
		_ = sleepUntil(ctx, time.Now().Add(logPause))
	}
}

// endSeen is how long the cluster may take to tell that a container has ended, whose log
// has.
const endSeen = 3 * time.Second

// outlives tells whether the server goes on whose log has ended.
func (n *node) outlives(ctx context.Context, life string) bool {
	ctx, cancel := context.WithTimeout(ctx, endSeen)
	defer cancel()
	return n.Wait(ctx, func() bool { return n.life != life }) != nil
}

// writeErrors tells a writer's errors from the reader's.
type writeErrors struct {
	w   io.Writer
	err error
}

func (t *writeErrors) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	if err != nil {
		t.err = err
	}
	return n, err
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
