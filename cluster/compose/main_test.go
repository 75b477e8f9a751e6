package compose

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
	"github.com/aftershock-chaos/aftershock/cluster/reaper"
)

const serverPort = 7000

var (
	scratch string // where the tests' binary is built, once
	image   = fmt.Sprintf("aftershock-compose-test:%d", os.Getpid())
)

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == reaper.Command:
		err := reaper.Serve(context.Background(), os.Stdin, func(ctx context.Context, o reaper.Order) (bool, error) { return docker.Reap(ctx, o.Launch) })
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case os.Getenv(harnessVariable) != "":
		fmt.Println(beHarness(os.Getenv(harnessVariable)))
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "aftershock-compose-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeImages()
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func removeImages() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	api, err := client.New(client.FromEnv)
	if err != nil {
		return
	}
	defer api.Close()
	_, _ = api.ImageRemove(ctx, image, client.ImageRemoveOptions{PruneChildren: true})
}

// needEngine skips the test, by name, where no engine can hold nodes.
func needEngine(t testing.TB) *client.Client {
	t.Helper()
	if err := docker.Available(t.Context()); err != nil {
		t.Skipf("place compose: %v", err)
	}
	api, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	return api
}

// testNode is the path of the tests' own binary, of which the engine has an image then.
func testNode(t testing.TB, api *client.Client) string {
	t.Helper()
	path := filepath.Join(scratch, "testnode")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, "./internal/testnode")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tar := exec.CommandContext(t.Context(), "tar", "-c", "--transform", "s/testnode/aftershock/", "-C", scratch, "testnode")
	archive, err := tar.Output()
	if err != nil {
		t.Fatal(err)
	}
	res, err := api.ImageImport(t.Context(), client.ImageImportSource{Source: bytes.NewReader(archive), SourceName: "-"}, image,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/aftershock"]`, `CMD ["serve", ":7000"]`}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if _, err := io.Copy(io.Discard, res); err != nil {
		t.Fatal(err)
	}
	return path
}

// project is what a test runs as somebody else.
type project struct {
	t    *testing.T
	api  *client.Client
	name string
	node string // the tests' binary
}

// newProject makes a network, which goes at the test's end with what is on it.
func newProject(t *testing.T) *project {
	t.Helper()
	api := needEngine(t)
	p := &project{t: t, api: api, name: "shop" + strings.ToLower(rand.Text()[:8]), node: testNode(t, api)}
	if _, err := api.NetworkCreate(t.Context(), p.name+"_default", client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.remove)
	return p
}

// remove2 removes containers' second network, which the containers leave first.
func (p *project) remove2(ids []string, network string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, id := range ids {
		_, _ = p.api.NetworkDisconnect(ctx, network, client.NetworkDisconnectOptions{Container: id, Force: true})
	}
	if _, err := p.api.NetworkRemove(ctx, network, client.NetworkRemoveOptions{}); err != nil {
		p.t.Error(err)
	}
}

func (p *project) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	res, err := p.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelProject+"="+p.name)})
	if err != nil {
		p.t.Error(err)
	}
	for _, c := range res.Items {
		if _, err := p.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			p.t.Error(err)
		}
	}
	if _, err := p.api.NetworkRemove(ctx, p.name+"_default", client.NetworkRemoveOptions{}); err != nil {
		p.t.Error(err)
	}
}

// run starts a service's container, as compose does.
func (p *project) run(service string, change func(*container.Config, *container.HostConfig)) string {
	p.t.Helper()
	config := &container.Config{Image: image, Labels: map[string]string{labelProject: p.name, labelService: service, labelNumber: "1", labelOneOff: "False"}}
	host := &container.HostConfig{NetworkMode: container.NetworkMode(p.name + "_default"), RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped}}
	if change != nil {
		change(config, host)
	}
	res, err := p.api.ContainerCreate(p.t.Context(), client.ContainerCreateOptions{Name: p.name + "_" + service + "_1", Config: config, HostConfig: host})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.api.ContainerStart(p.t.Context(), res.ID, client.ContainerStartOptions{}); err != nil {
		p.t.Fatal(err)
	}
	return res.ID
}

// runAll starts three services.
func (p *project) runAll() []string {
	p.t.Helper()
	var ids []string
	for _, s := range services {
		ids = append(ids, p.run(s, nil))
	}
	return ids
}

var services = []string{"db1", "db2", "db3"}

// spec says that this test asks.
func (p *project) spec() cluster.AttachSpec {
	p.t.Helper()
	run, launch := "run-"+p.name, rand.Text()
	dir := filepath.Join(p.t.TempDir(), run)
	if err := os.Mkdir(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	lock, err := owner.Lock(filepath.Join(dir, "lock"), launch)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = owner.Unlock(lock) })
	return cluster.AttachSpec{Run: run, Launch: launch, LockFile: lock.Name(), Port: serverPort, Binary: p.node, Lease: testLease,
		Logger: slog.New(slog.NewTextHandler(p.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

const testLease = 3 * time.Second

// find finds the target, and closes at the test's end.
func (p *project) find(target Target, spec cluster.AttachSpec) cluster.Deployment {
	p.t.Helper()
	d, err := New(target).Find(p.t.Context(), spec)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.close(d) })
	return d
}

func (p *project) close(d cluster.Deployment) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.Close(ctx); err != nil {
		p.t.Errorf("close: %v", err)
	}
}

// attach is the three services with their guests.
func (p *project) attach() cluster.Deployment {
	p.t.Helper()
	d := p.find(Target{Project: p.name, Services: services}, p.spec())
	if err := d.Invite(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return d
}

// left lists what the engine has of a run.
func left(t testing.TB, api *client.Client, run string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	res, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "aftershock.run="+run)})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range res.Items {
		list = append(list, c.Names[0])
	}
	return list
}

// asks dials a node's server from this machine, as clients do, and returns its
// greeting.
func asks(addr netip.Addr, limit time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, serverPort).String(), limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// until repeats a look until it is true.
func until(t testing.TB, what string, limit time.Duration, look func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if look() {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			t.Fatalf("not after %s: %s", limit, what)
		}
	}
}

// reaches tells whether a node's processes reach another's server.
func reaches(t testing.TB, from, to *cluster.Node) bool {
	return from.Probe(t.Context(), netip.AddrPortFrom(to.At(), serverPort), 150*time.Millisecond) == nil
}

func graph(t testing.TB, nodes []*cluster.Node) string {
	t.Helper()
	var s string
	for i, from := range nodes {
		for j, to := range nodes {
			if i != j && reaches(t, from, to) {
				s += fmt.Sprintf(" %d>%d", i+1, j+1)
			}
		}
	}
	return s
}

const everybody = " 1>2 1>3 2>1 2>3 3>1 3>2"

func do(t testing.TB, n *cluster.Node, a cluster.Action) cluster.Effect {
	t.Helper()
	began := time.Now()
	e, err := n.Do(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s: at +%s ±%s, returned after %s", a.Kind, n.Name, e.At.Sub(began).Round(10*time.Microsecond), e.Error.Round(10*time.Microsecond), time.Since(began).Round(time.Millisecond))
	return e
}

// block cuts a node from others.
func block(t testing.TB, id string, n *cluster.Node, peers ...netip.Addr) {
	t.Helper()
	var rules []cluster.Rule
	for _, p := range peers {
		rules = append(rules, cluster.Rule{Peer: p, In: true, Out: true})
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Block, ID: id, Rules: rules, At: time.Now().Add(20 * time.Millisecond)}); !e.Changed {
		t.Errorf("block %s changed nothing", n.Name)
	}
}

// change waits for a change of one kind; others before it are logged.
func change(t testing.TB, d cluster.Deployment, kind cluster.ChangeKind) cluster.Change {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case c, ok := <-d.Changes():
			if !ok {
				t.Fatalf("the changes ended before %s", kind)
			}
			t.Logf("change: %s %s %s; %s", services[c.Node%len(services)], c.Kind, c.Until.Sub(c.At).Round(time.Millisecond), c.Detail)
			if c.Kind == kind {
				return c
			}
		case <-limit:
			t.Fatalf("%s is not told", kind)
		}
	}
}

func exit(t testing.TB, n *cluster.Node) cluster.Exit {
	t.Helper()
	select {
	case e, ok := <-n.Exits():
		if !ok {
			t.Fatal("the exits ended")
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no exit is told")
	}
	return cluster.Exit{}
}
