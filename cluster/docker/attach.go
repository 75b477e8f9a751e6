package docker

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// attachment is the hold on a container from before its start until its agent
// answers. Over it goes what the engine must not keep, the agent's keys, and
// comes what the engine does not keep of a container that ends, for it removes
// it: the end of the output and the exit code.
type attachment struct {
	streams client.HijackedResponse
	said    output
	copied  chan struct{} // closed when all output has been seen
	ended   chan struct{} // closed when the container has ended
	code    int64         // its exit code, known after ended
	stop    context.CancelFunc
	waited  chan struct{}
}

// attach attaches to a container that was not started yet, and hands its agent
// the keys.
func (e *engine) attach(ctx context.Context, id string, secret agent.Secret) (*attachment, error) {
	streams, err := e.api.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, fmt.Errorf("attach to the container: %w", err)
	}
	// The engine keeps what is written before the start for the container.
	if _, err := streams.Conn.Write(secret.Encode()); err != nil {
		streams.Close()
		return nil, fmt.Errorf("hand the agent its keys: %w", err)
	}
	watched, stop := context.WithCancel(context.WithoutCancel(ctx))
	a := &attachment{streams: streams.HijackedResponse, stop: stop,
		copied: make(chan struct{}), ended: make(chan struct{}), waited: make(chan struct{})}
	wait := e.api.ContainerWait(watched, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	go func() {
		defer close(a.waited)
		select {
		case r := <-wait.Result:
			a.code = r.StatusCode
			close(a.ended)
		case <-wait.Error: // also when close ends the wait
		}
	}()
	go func() {
		defer close(a.copied)
		// A torn stream still shows what came before it.
		_, _ = stdcopy.StdCopy(&a.said, &a.said, a.streams.Reader)
	}()
	return a, nil
}

// close lets the container go, which goes on.
func (a *attachment) close() {
	a.stop()
	a.streams.Close()
	<-a.waited
	<-a.copied
}

// exit tells of a container that has ended, when all that it said has come.
func (a *attachment) exit(ctx context.Context) string {
	call, cancel := outlive(ctx, pingTimeout)
	defer cancel()
	select {
	case <-a.copied:
	case <-call.Done():
	}
	return fmt.Sprintf("its container ended with exit code %d", a.code) + a.output()
}

// output is the end of what the container said, as the end of a sentence.
func (a *attachment) output() string {
	if s := a.said.String(); s != "" {
		return "; its output ends with: " + s
	}
	return ""
}

// output keeps the last maxShown bytes written to it.
type output struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.text = o.text[max(0, len(o.text)-maxShown):]
	return len(p), nil
}

// String is the output on one line.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(strings.Fields(string(o.text)), " ")
}
