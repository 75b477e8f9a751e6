package docker

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// scratch is where the tests' binaries are built, once.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "aftershock-docker-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeTestImages()
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// builtImages are the names of images that tests made.
var builtImages []string

func removeTestImages() {
	if len(builtImages) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return
	}
	defer eng.close()
	for _, name := range builtImages {
		_, _ = eng.api.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
	}
}

// needEngine skips the test, by name, where no engine can hold nodes.
func needEngine(t testing.TB) *engine {
	t.Helper()
	if err := Available(t.Context()); err != nil {
		t.Skipf("host docker: %v", err)
	}
	eng, err := connect(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(eng.close)
	return eng
}

// testNode is the path of the tests' own node binary.
func testNode(t testing.TB) string {
	t.Helper()
	path := filepath.Join(scratch, "testnode")
	if isFile(path) {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, "./internal/testnode")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tag, err := newHashCache().of(path)
	if err != nil {
		t.Fatal(err)
	}
	builtImages = append(builtImages, nodeRepository+":"+tag)
	return path
}

var runs atomic.Int64

// newSpec is a cluster of n nodes with a run id of its own and a held lock.
func newSpec(t testing.TB, n int) cluster.Spec {
	t.Helper()
	spec := cluster.Spec{
		Run:    "test-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(runs.Add(1), 10),
		Binary: testNode(t),
		Logger: slog.New(slog.DiscardHandler),
		Launch: rand.Text(),
	}
	spec.LockFile = heldLock(t, spec.Run, spec.Launch).Name()
	for i := range n {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: fmt.Sprintf("n%d", i+1)})
	}
	return spec
}

// launchTest launches and closes at the test's end.
func launchTest(t *testing.T, spec cluster.Spec) cluster.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := New(nil).Launch(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// left lists what the engine has of a run.
func left(t testing.TB, eng *engine, run string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	filter := make(client.Filters).Add("label", labelRun+"="+run)
	cs, err := eng.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := eng.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range cs.Items {
		list = append(list, containerName(c))
	}
	for _, n := range ns.Items {
		list = append(list, n.Name)
	}
	return list
}
