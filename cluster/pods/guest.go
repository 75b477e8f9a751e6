package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

const (
	startTimeout = time.Minute      // until a guest's container runs, with the pull of its image
	meetTimeout  = 20 * time.Second // until its agent answers then, its binary's way there included
	// loopbackPort is where the process guest listens, on the pod's loopback alone.
	loopbackPort = cluster.ControlPort + 1
	part         = "ephemeralcontainers"
)

// folder is where a guest of somebody else's image has the binary: the first that it
// may write to.
const folder = `for d in /tmp /var/tmp /run ""; do [ -w "$d/" ] && break; done; `

// awaitBinary is what such a guest does until the harness has brought the binary, and
// takeBinary the command that takes it from its standard input.
const (
	awaitBinary = folder + `n=0; while [ ! -x "$d/aftershock" ]; do n=$((n+1)); [ $n -lt 600 ] || exit 91; sleep 0.1 || sleep 1; done; exec "$d/aftershock" agent`
	takeBinary  = folder + `cat >"$d/aftershock.new" && chmod 755 "$d/aftershock.new" && mv "$d/aftershock.new" "$d/aftershock"`
)

// hosted is a guest that answers.
type hosted struct {
	client *agent.Client
	name   string // of its container
	pod    *corev1.Pod
	life   string // the server's, of a process guest
}

// agent is how the guest is spoken to; of no guest nil.
func (h *hosted) agent() *agent.Client {
	if h == nil {
		return nil
	}
	return h.client
}

// errGone says that the pod in which a guest was to be is not there any more.
var errGone = errors.New("its pod is not there any more")

// container is a guest as an ephemeral container of a pod.
func (d *deployment) container(s seen, name string, kind agent.Guest, p posture) corev1.EphemeralContainer {
	c := corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: name, Image: d.spec.AgentImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"agent"},
		WorkingDir: "/", Stdin: true, StdinOnce: true, SecurityContext: p.security(s, kind),
		Env: []corev1.EnvVar{{Name: agent.EnvLease, Value: d.spec.Lease.String()}, {Name: agent.EnvGuest, Value: string(kind)}},
	}}
	if c.Image == "" {
		for _, own := range s.pod.Spec.Containers {
			if own.Name == s.container {
				c.Image = own.Image
			}
		}
		c.Command, c.Args = []string{"sh", "-c", awaitBinary}, nil
	}
	if kind == agent.GuestOfBoth {
		c.TargetContainerName = s.container
		c.Env = append(c.Env, corev1.EnvVar{Name: agent.EnvListen, Value: fmt.Sprintf("127.0.0.1:%d", loopbackPort)})
	}
	return c
}

// inviting is the change of a pod that brings a guest.
func inviting(c corev1.EphemeralContainer) any {
	return map[string]any{"spec": map[string]any{"ephemeralContainers": []corev1.EphemeralContainer{c}}}
}

// guestName is that of a launch's guest in a pod. It is never used again: a pod keeps
// its ephemeral containers for ever.
func (d *deployment) guestName(n *node) string {
	number := 0
	n.Change(func() { n.brought++; number = n.brought })
	return fmt.Sprintf("aftershock-%s-%d", strings.ToLower(d.spec.Launch[:min(len(d.spec.Launch), launchLetters)]), number)
}

// launchLetters is how much of a launch's id is in the names of its guests.
const launchLetters = 10

// bring brings a guest into a node's pod and connects to it: by dial, or if that is nil
// straight to the pod, or through the API server where its address does not answer.
func (n *node) bring(ctx context.Context, s seen, kind agent.Guest, dial func(context.Context) (net.Conn, error)) (*hosted, error) {
	d := n.d
	admitted, err := d.admitted(ctx)
	if err != nil {
		return nil, err
	}
	h := &hosted{name: d.guestName(n), pod: s.pod}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	_, err = d.api.Pods.Patch(call, s.pod.Name, inviting(d.container(s, h.name, kind, admitted.of(kind))), part)
	cancel()
	if err != nil {
		return nil, fmt.Errorf("bring a guest into pod %s: %w", s.pod.Name, remedy(err, d.api))
	}
	addr, err := n.awaitGuest(ctx, s.pod, h.name)
	if err != nil && d.spec.AgentImage == "" {
		err = fmt.Errorf("%w (without a shell in the server's image, use --agent-image)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the guest in pod %s (container %s): %w", s.pod.Name, h.name, err)
	}
	ctx, stop := context.WithTimeout(ctx, meetTimeout)
	defer stop()
	key := n.Public.Name
	if kind == agent.GuestOfBoth {
		key = "processes." + key
	}
	secret, err := d.authority.Secret(key)
	if err != nil {
		return nil, err
	}
	hello := d.api.Hello(ctx, h.pod.Name, h.name, secret.Encode(), func(err error) error { return remedy(err, d.api) })
	defer hello.End()
	if d.spec.AgentImage == "" {
		if err := d.api.Carry(ctx, h.pod.Name, h.name, takeBinary, d.spec.Binary); err != nil {
			return nil, fmt.Errorf("bring the aftershock binary into pod %s: %w (without a shell in the image, use --agent-image)%s", s.pod.Name, remedy(err, d.api), hello)
		}
	}
	h.client, err = d.dial(ctx, s.pod.Name, addr, key, dial)
	switch {
	case err == nil:
		return h, nil
	case errors.Is(err, agent.ErrRefused):
		return nil, fmt.Errorf("another run is attached to pod %s: wait for its end (%w)", s.pod.Name, agent.ErrRefused)
	}
	return nil, fmt.Errorf("the guest in pod %s (container %s) does not answer: %w%s", s.pod.Name, h.name, err, hello)
}

// awaitGuest waits until a guest's container runs, and is the pod's address.
func (n *node) awaitGuest(ctx context.Context, pod *corev1.Pod, name string) (addr netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var now *corev1.Pod
	err = n.d.tracker.Wait(ctx, func(there map[string]*corev1.Pod) (bool, error) {
		now = there[pod.Name]
		if now == nil || now.UID != pod.UID {
			return false, errGone
		}
		return runs(now, name), stuck(now, name)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return addr, fmt.Errorf("it does not run after %s: %s", startTimeout, state(now))
	}
	if err != nil {
		return addr, err
	}
	return netip.ParseAddr(now.Status.PodIP)
}

// dial connects to a guest's agent.
func (d *deployment) dial(ctx context.Context, pod string, addr netip.Addr, key string, by func(context.Context) (net.Conn, error)) (*agent.Client, error) {
	at := netip.AddrPortFrom(addr, cluster.ControlPort)
	switch {
	case by != nil:
		return d.authority.DialBy(ctx, by, "pod "+pod, key, d.spec.Lease)
	case api.Reached(ctx, at.String()):
		return d.authority.Dial(ctx, at, key, d.spec.Lease)
	}
	forward := func(ctx context.Context) (net.Conn, error) {
		conn, err := d.api.Forward(ctx, pod, cluster.ControlPort)
		return conn, remedy(err, d.api)
	}
	return d.authority.DialBy(ctx, forward, "pod "+pod, key, d.spec.Lease)
}
