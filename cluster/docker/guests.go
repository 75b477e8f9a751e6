package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

// Guests is the hold on an engine by which containers of ours are brought beside
// containers that somebody else runs. They bear the labels of a launch and go as
// its nodes do: by Remove, by its reaper, by Clean.
type Guests struct {
	eng       *engine
	id        identity
	labels    map[string]string
	spec      cluster.AttachSpec
	image     string
	authority *agent.Authority
}

// NewGuests connects to the engine and makes nothing there. Without an engine whose
// containers can be reached its error wraps cluster.ErrUnavailable.
func NewGuests(ctx context.Context, spec cluster.AttachSpec) (*Guests, error) {
	if spec.Lease == 0 {
		spec.Lease = cluster.DefaultLease
	}
	if spec.Logger == nil {
		spec.Logger = slog.Default()
	}
	if err := Available(ctx); err != nil {
		return nil, err
	}
	eng, err := connect(ctx, spec.Logger)
	if err != nil {
		return nil, err
	}
	return &Guests{eng: eng, spec: spec}, nil
}

// API is the engine's own client.
func (g *Guests) API() *client.Client { return g.eng.api }

// Away says what the engine knows of a container whose guest is not heard of.
func (g *Guests) Away(ctx context.Context, id string) string { return g.eng.away(ctx, id) }

// Prepare makes ready what guests need: their marks, their keys, and the image at
// the engine.
func (g *Guests) Prepare(ctx context.Context) error {
	if err := errors.Join(checkOwner(g.spec.Run, g.spec.Launch, g.spec.LockFile), checkBinary(g.spec.Binary)); err != nil {
		return err
	}
	if g.spec.Launch == "" {
		return errors.New("no launch id: make it with crypto/rand.Text")
	}
	mark, err := owner.New(g.spec.LockFile)
	if err != nil {
		return err
	}
	g.id = identity{run: g.spec.Run, launch: g.spec.Launch, mark: mark}
	g.labels = g.id.labels()
	if g.authority, err = agent.NewAuthority(); err != nil {
		return err
	}
	provider, _, err := g.eng.provider(ctx)
	if err != nil {
		return err
	}
	defer provider.Close()
	if g.image, _, err = g.eng.nodeImage(ctx, provider, newHashCache(), g.spec.Binary); err != nil {
		return fmt.Errorf("image of %s: %w", g.spec.Binary, err)
	}
	return nil
}

// Remove removes all guests, which let go what they hold, and undoes what words
// say is left to undo.
func (g *Guests) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if g.id.launch == "" {
		return nil // nothing was made
	}
	_, err := g.eng.removeAll(ctx, g.id.launch)
	return err
}

// Close ends the connection to the engine.
func (g *Guests) Close() { g.eng.close() }

// Guest is a container of ours beside another.
type Guest struct {
	g      *Guests
	id     string
	node   string
	victim string
	hold   *attachment
}

// Guest makes a guest of a node beside the container victim and hands it its keys.
// It is not started, so that it can be made ahead. name tells it from others of the
// run; kind says which namespaces it shares.
func (g *Guests) Guest(ctx context.Context, node, name, victim string, kind agent.Guest) (*Guest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// As in a launch, the engine's work runs to its end even if ctx ends.
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	secret, err := g.authority.Secret(node)
	if err != nil {
		return nil, err
	}
	res, err := g.eng.api.ContainerCreate(call, client.ContainerCreateOptions{
		Name: nodeContainer(g.id.run, name), Config: g.guestConfig(name, victim, kind), HostConfig: guestHostConfig(victim, kind),
	})
	if err != nil {
		return nil, fmt.Errorf("make a guest beside container %s: %w", short(victim), err)
	}
	hold, err := g.eng.attach(call, res.ID, secret)
	if err != nil {
		return nil, errors.Join(err, g.eng.removeContainer(call, res.ID))
	}
	return &Guest{g: g, id: res.ID, node: node, victim: victim, hold: hold}, nil
}

func (g *Guests) guestConfig(name, victim string, kind agent.Guest) *container.Config {
	labels := maps.Clone(g.labels)
	labels[labelNode], labels[labelVictim] = name, victim
	return &container.Config{
		Image: g.image, Labels: labels, User: "0:0", WorkingDir: "/",
		Entrypoint:  []string{binaryPath, "agent"},
		AttachStdin: true, OpenStdin: true, StdinOnce: true,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		Env:         agent.Options{Lease: g.spec.Lease, Guest: kind}.Environ(),
	}
}

// guestProcesses bounds the threads of a guest.
const guestProcesses = 512

// guestHostConfig gives a guest what it needs for faults and takes all else: rules
// in the network, and processes of any user.
func guestHostConfig(victim string, kind agent.Guest) *container.HostConfig {
	processes := int64(guestProcesses)
	h := &container.HostConfig{
		NetworkMode: container.NetworkMode("container:" + victim),
		CapDrop:     []string{"ALL"}, CapAdd: []string{"NET_ADMIN"},
		AutoRemove: true, ReadonlyRootfs: true,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}},
	}
	h.PidsLimit = &processes
	if kind == agent.GuestOfBoth {
		h.PidMode = container.PidMode("container:" + victim)
		h.CapAdd = append(h.CapAdd, "SYS_PTRACE", "KILL")
	}
	return h
}

// ID is the guest's container.
func (g *Guest) ID() string { return g.id }

// Victim is the container beside which it is.
func (g *Guest) Victim() string { return g.victim }

// Ended is closed when the guest has ended.
func (g *Guest) Ended() <-chan struct{} { return g.hold.ended }

// Meet starts the guest and returns when it answers at the address, which is the
// victim's. On an error it is removed.
func (g *Guest) Meet(ctx context.Context, addr netip.Addr) (*agent.Client, error) {
	c, err := g.meet(ctx, addr)
	if err == nil {
		return c, nil
	}
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	return nil, errors.Join(err, g.Remove(call))
}

func (g *Guest) meet(ctx context.Context, addr netip.Addr) (*agent.Client, error) {
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	if _, err := g.g.eng.api.ContainerStart(call, g.id, client.ContainerStartOptions{}); err != nil {
		return nil, fmt.Errorf("start a guest beside container %s: %w%s", short(g.victim), err, g.hold.output())
	}
	bound, stop := context.WithTimeout(ctx, dialTimeout)
	defer stop()
	watched, end := context.WithCancelCause(bound)
	defer end(nil)
	go func() {
		select {
		case <-g.hold.ended:
			end(errExited)
		case <-watched.Done():
		}
	}()
	c, err := g.g.authority.Dial(watched, netip.AddrPortFrom(addr, cluster.ControlPort), g.node, g.g.spec.Lease)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, agent.ErrRefused):
		return nil, fmt.Errorf("another run is attached to container %s: wait for its end (%w)", short(g.victim), agent.ErrRefused)
	case errors.Is(context.Cause(watched), errExited):
		return nil, fmt.Errorf("the guest beside container %s does not answer: %s; if another run is attached to it, wait for its end", short(g.victim), g.hold.exit(ctx))
	}
	return nil, fmt.Errorf("the guest beside container %s does not answer at %s: %w%s; see whether this machine reaches the addresses of containers (it must be the engine's own machine)", short(g.victim), addr, err, g.hold.output())
}

// Release ends the hold on the guest's container, which goes on.
func (g *Guest) Release() { g.hold.close() }

// Remove removes the guest's container, running or not.
func (g *Guest) Remove(ctx context.Context) error {
	g.hold.close()
	return g.g.eng.removeContainer(ctx, g.id)
}
