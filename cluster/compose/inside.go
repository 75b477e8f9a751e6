package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// maxOutput bounds what Run keeps, in bytes.
const maxOutput = 1 << 20

// Run implements cluster.Control through the engine's exec, in the image of the
// container. A command that outlives ctx goes on in the container.
func (n *node) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	output, err := n.run(ctx, spec)
	if err != nil {
		err = fmt.Errorf("run a command in %s: %w", n.Public.Name, err)
	}
	return output, err
}

func (n *node) run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	switch {
	case len(spec.Command) == 0:
		return nil, errors.New("no command")
	case spec.Command[0] == cluster.Self || len(spec.Files) > 0:
		return nil, fmt.Errorf("%w: only programs of its own image run in a container of somebody else's", cluster.ErrCannot)
	}
	options := client.ExecCreateOptions{Cmd: spec.Command, User: spec.User, WorkingDir: spec.Dir, AttachStdout: true, AttachStderr: true}
	for name, value := range spec.Env {
		options.Env = append(options.Env, name+"="+value)
	}
	made, err := n.d.api.ExecCreate(ctx, n.look().id, options)
	if err != nil {
		return nil, err
	}
	streams, err := n.d.api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, streams.Close)
	defer stop()
	defer streams.Close()
	kept := &bounded{}
	_, copyErr := stdcopy.StdCopy(kept, kept, streams.Reader)
	if ctx.Err() != nil {
		return kept.text, ctx.Err()
	}
	if copyErr != nil {
		return kept.text, copyErr
	}
	res, err := n.d.api.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err == nil && res.ExitCode != 0 {
		err = fmt.Errorf("%s: exit status %d", spec.Command[0], res.ExitCode)
	}
	return kept.text, err
}

// bounded keeps the first maxOutput bytes.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), maxOutput-len(b.text))]...)
	return len(p), nil
}

// CopyOutput implements cluster.Control: the container's log, from now on, also when
// it starts again.
func (n *node) CopyOutput(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.d.Context, cancel)()
	for since := time.Now(); ; {
		began := time.Now()
		err := n.copyOnce(ctx, w, since)
		switch {
		case n.d.Context.Err() != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("copy the output of %s: %w", n.Public.Name, err)
		}
		since = time.Now()
		if err := n.Wait(ctx, func() bool { return n.up }); err != nil {
			continue // the next round tells why
		}
		_ = sleepUntil(ctx, began.Add(eventsPause)) // a log that ends at once is not asked for again at once
	}
}

// copyOnce copies the log of one life of the container.
func (n *node) copyOnce(ctx context.Context, w io.Writer, since time.Time) error {
	id := n.look().id
	res, err := n.d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		if ctx.Err() == nil && n.d.isGone(ctx, n, id) {
			return nil
		}
		return err
	}
	at := since.UnixNano()
	log, err := n.d.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Since: fmt.Sprintf("%d.%09d", at/1e9, at%1e9),
	})
	if err != nil {
		return err
	}
	defer log.Close()
	to := &writeErrors{w: w}
	if c := res.Container.Config; c != nil && c.Tty {
		_, _ = io.Copy(to, log)
	} else {
		_, _ = stdcopy.StdCopy(to, to, log) // its end is that of the container's life
	}
	return to.err
}

// isGone tells whether the engine has no such container any more.
func (d *deployment) isGone(ctx context.Context, n *node, id string) bool {
	_, err := d.latest(ctx, n.key, id)
	return err != nil || n.look().id != id
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

// Usage implements cluster.Metered: of the processes that the guest sees in the
// container. While there is none it is an error.
func (n *node) Usage(ctx context.Context) (cluster.Usage, error) {
	n.Mu.Lock()
	h := n.guest
	n.Mu.Unlock()
	if h == nil {
		return cluster.Usage{}, fmt.Errorf("read the usage of %s: no guest is there", n.Public.Name)
	}
	u, err := h.client.Usage(ctx)
	if err == nil {
		u.Set = n.meter.Add(u.Set)
	}
	return u, err
}
