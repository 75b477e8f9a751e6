//lint:file-ignore SA1019 the replacement names networks by chance and takes no provider; the reaper's image has none

package docker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

// launch is one call of Launch.
type launch struct {
	eng     *engine
	hashes  *hashCache
	spec    cluster.Spec
	lease   time.Duration
	network string // its name
	labels  map[string]string
	cluster *running

	authority *agent.Authority

	provider *testcontainers.DockerProvider
	view     *imageView
	subnet   netip.Prefix
	archive  []byte // the binary, to be copied into containers of other images
}

func newLaunch(eng *engine, hashes *hashCache, spec cluster.Spec) (*launch, error) {
	mark, err := owner.New(spec.LockFile)
	if err != nil {
		return nil, err
	}
	if spec.Launch == "" {
		spec.Launch = rand.Text()
	}
	id := identity{run: spec.Run, launch: spec.Launch, mark: mark}
	l := &launch{
		eng: eng, hashes: hashes, spec: spec, lease: spec.Lease,
		network: networkName(spec.Run), labels: id.labels(),
		cluster: &running{eng: eng, id: id, limits: spec.Limits},
	}
	for i, n := range spec.Nodes {
		if spec.Of(i).Limits.CPUs > 0 {
			l.cluster.limited = append(l.cluster.limited, nodeContainer(spec.Run, n.Name))
		}
	}
	if l.lease == 0 {
		l.lease = cluster.DefaultLease
	}
	return l, nil
}

// run makes everything; on error, what was made bears the launch's label, and
// closing l.cluster removes it.
func (l *launch) run(ctx context.Context) (*running, error) {
	begin := time.Now()
	step := func(name string) {
		l.eng.log.Debug("docker launch", "step", name, "after", time.Since(begin).Round(time.Millisecond))
	}
	var err error
	if l.authority, err = agent.NewAuthority(); err != nil {
		return nil, err
	}
	if l.provider, l.view, err = l.eng.provider(ctx); err != nil {
		return nil, err
	}
	step("testcontainers ready")
	prepare, prepareCtx := errgroup.WithContext(ctx)
	prepare.Go(func() error { return l.images(prepareCtx) })
	prepare.Go(func() (err error) {
		var n testcontainers.Network
		if l.subnet, n, err = makeNetwork(prepareCtx, l.provider, l.network, l.spec.Launch, l.labels, routedPrefixes()); err == nil {
			l.reaped(n.Remove)
		}
		return err
	})
	if err := prepare.Wait(); err != nil {
		return nil, err
	}
	step("images and network")

	nodes := make([]*cluster.Node, len(l.spec.Nodes))
	all, nodesCtx := errgroup.WithContext(ctx)
	for i := range l.spec.Nodes {
		all.Go(func() error {
			n, err := l.node(nodesCtx, i)
			if err != nil {
				return fmt.Errorf("node %s: %w", l.spec.Nodes[i].Name, err)
			}
			nodes[i] = n
			l.cluster.addNode(n)
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	step("agents answer")
	l.cluster.nodes, l.cluster.gateway = nodes, gatewayAddr(l.subnet)
	return l.cluster, nil
}

// images makes sure that the engine has every node's image.
func (l *launch) images(ctx context.Context) error {
	var names []string
	for _, n := range l.spec.Nodes {
		names = append(append(names, n.Image), slices.Sorted(maps.Values(n.Others))...)
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		if _, ok := l.view.get(name); ok {
			continue
		}
		res, err := l.eng.image(ctx, name)
		if err != nil {
			return err
		}
		l.view.add(name, res)
		if l.archive == nil {
			if l.archive, err = binaryArchive(l.spec.Binary); err != nil {
				return err
			}
		}
	}
	return l.ownImage(ctx)
}

// ownImage provides the image of the nodes that name none, and writes its name
// into the launch's own copy of the nodes.
func (l *launch) ownImage(ctx context.Context) error {
	nodes := append([]cluster.NodeSpec(nil), l.spec.Nodes...)
	for i := range nodes {
		if nodes[i].Image != "" {
			continue
		}
		name, res, err := l.eng.nodeImage(ctx, l.provider, l.hashes, l.spec.Binary)
		if err != nil {
			return fmt.Errorf("image of %s: %w", l.spec.Binary, err)
		}
		l.view.add(name, res)
		for j := i; j < len(nodes); j++ {
			if nodes[j].Image == "" {
				nodes[j].Image = name
			}
		}
		break
	}
	l.spec.Nodes = nodes
	return nil
}

// binaryArchive packs the binary for copying it into a container's root.
func binaryArchive(binary string) ([]byte, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("the aftershock binary for the nodes: %w", err)
	}
	return tarOf(tarFile{strings.TrimPrefix(binaryPath, "/"), 0o755, content})
}

// node makes node i's container, starts it and waits for its agent. The
// engine's work runs to its end even if ctx ends: an abandoned request may
// still make or start its container after everybody has looked for it.
func (l *launch) node(ctx context.Context, i int) (*cluster.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	begin := time.Now()
	c, err := l.provider.CreateContainer(call, l.request(i))
	if err != nil {
		return nil, err
	}
	created := time.Since(begin)
	l.reaped(func(ctx context.Context) error { return c.Terminate(ctx, testcontainers.StopTimeout(0)) })
	if !isNodeImage(l.spec.Nodes[i].Image) {
		if _, err := l.eng.api.CopyToContainer(call, c.GetContainerID(), client.CopyToContainerOptions{
			DestinationPath: "/", Content: bytes.NewReader(l.archive),
		}); err != nil {
			return nil, fmt.Errorf("copy the aftershock binary into the container: %w", err)
		}
	}
	secret, err := l.authority.Secret(l.spec.Nodes[i].Name)
	if err != nil {
		return nil, err
	}
	hold, err := l.eng.attach(call, c.GetContainerID(), secret)
	if err != nil {
		return nil, err
	}
	defer hold.close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.Start(call); err != nil {
		// One that ends at once may be gone before it was seen to have started.
		return nil, fmt.Errorf("%w; %s", err, l.explain(ctx, c.GetContainerID(), hold))
	}
	started := time.Since(begin)
	if err := l.others(ctx, i, c.GetContainerID()); err != nil {
		return nil, err
	}
	n, err := l.dial(ctx, i, c.GetContainerID(), hold)
	l.eng.log.Debug("docker node", "node", l.spec.Nodes[i].Name, "create", created, "start", started-created, "dial", time.Since(begin)-started)
	return n, err
}

// errExited says that a container ended before its agent answered.
var errExited = errors.New("its container exited")

// dial connects to node i's agent. It gives up early when the container exits.
func (l *launch) dial(ctx context.Context, i int, id string, hold *attachment) (*cluster.Node, error) {
	addr := nodeAddr(l.subnet, i)
	bound, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	watched, stop := context.WithCancelCause(bound)
	defer stop(nil)
	go func() {
		select {
		case <-hold.ended:
			stop(errExited)
		case <-watched.Done():
		}
	}()
	control, err := l.authority.Dial(watched, netip.AddrPortFrom(addr, cluster.ControlPort), l.spec.Nodes[i].Name, l.lease)
	cause := context.Cause(watched)
	switch {
	case err == nil:
		return &cluster.Node{Name: l.spec.Nodes[i].Name, Index: i, Addr: addr, Control: control, Away: func(ctx context.Context) string { return l.eng.away(ctx, id) }}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(cause, errExited):
		err = errExited
	}
	return nil, fmt.Errorf("its agent does not answer at %s: %w; %s", addr, err, l.explain(ctx, id, hold))
}

// reaped keeps what tells testcontainers' reaper, where it is in use, that
// something has gone: it holds a connection and a goroutine for each thing.
func (l *launch) reaped(remove func(context.Context) error) {
	if l.provider.Config().Config.RyukDisabled {
		return
	}
	l.cluster.mu.Lock()
	defer l.cluster.mu.Unlock()
	l.cluster.reaped = append(l.cluster.reaped, remove)
}

// request says how node i's container is made.
func (l *launch) request(i int) testcontainers.ContainerRequest {
	spec, addr := l.spec.Nodes[i], nodeAddr(l.subnet, i)
	of := l.spec.Of(i)
	labels := maps.Clone(l.labels)
	labels[labelNode] = spec.Name
	env := map[string]string{
		agent.EnvLease:  l.lease.String(),
		agent.EnvData:   dataDir,
		agent.EnvListen: netip.AddrPortFrom(addr, cluster.ControlPort).String(),
	}
	if v := of.Needs.Volume; v != nil {
		env[agent.EnvVolume] = agent.VolumeEnv(v)
	}
	if limit := of.Limits.Memory; limit > 0 {
		env[agent.EnvLimit] = strconv.FormatInt(limit, 10)
	}
	return testcontainers.ContainerRequest{
		Image:                    spec.Image,
		Name:                     nodeContainer(l.spec.Run, spec.Name),
		Labels:                   labels,
		Entrypoint:               []string{binaryPath, "agent"},
		Env:                      env,
		ConfigModifier:           withOthers(spec, env, containerConfig(spec)),
		HostConfigModifier:       hostConfig(l.network, of.Limits, of.Needs),
		EndpointSettingsModifier: endpoint(l.network, addr),
	}
}
