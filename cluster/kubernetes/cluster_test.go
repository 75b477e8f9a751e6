package kubernetes

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// The tests of this file need a real cluster: that of KUBECONFIG, with images
// aftershock/agent:test (scripts/kubernetes agent) and aftershock/redis:8.0.
const (
	testVariable = "AFTERSHOCK_TEST_KUBERNETES"
	agentImage   = "aftershock/agent:test"
	shellImage   = "aftershock/redis:8.0"
)

func realCluster(t *testing.T) *api.API {
	t.Helper()
	if os.Getenv(testVariable) == "" {
		t.Skipf("a real cluster: make kubernetes, or set %s=1 and KUBECONFIG", testVariable)
	}
	a, err := api.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func testSpec(nodes ...cluster.NodeSpec) cluster.Spec {
	return cluster.Spec{Run: "test", Launch: rand.Text(), Nodes: nodes, Lease: 2 * time.Second, AgentImage: agentImage, Binary: "../../bin/aftershock"}
}

func launched(t *testing.T, spec cluster.Spec) cluster.Cluster {
	t.Helper()
	c, err := New(nil).Launch(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// left counts what bears a launch's label.
func left(t *testing.T, a *api.API, launch string) int {
	t.Helper()
	var pods corev1.PodList
	var jobs batchv1.JobList
	var leases coordinationv1.LeaseList
	if err := errors.Join(a.Pods.List(t.Context(), selector(launch), &pods), a.Jobs.List(t.Context(), selector(launch), &jobs), a.Leases.List(t.Context(), selector(launch), &leases)); err != nil {
		t.Fatal(err)
	}
	return len(pods.Items) + len(jobs.Items) + len(leases.Items)
}

// serve starts the built-in store's server, of which only its port matters here.
func serve(t *testing.T, n *cluster.Node) netip.AddrPort {
	t.Helper()
	if err := n.Start(t.Context(), cluster.ServerSpec{Command: []string{cluster.Self, "ripple", "--name", "n", "--listen", ":7400", "--data", cluster.DataDir}}); err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(n.Addr, 7400)
	for end := time.Now().Add(10 * time.Second); ; {
		if err := n.Probe(t.Context(), addr, time.Second); err == nil {
			return addr
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// Nodes come up, reach each other, are cut off and killed; after Close nothing is left.
func TestLaunch(t *testing.T) {
	a := realCluster(t)
	spec := testSpec(cluster.NodeSpec{Name: "n1"}, cluster.NodeSpec{Name: "n2"})
	c := launched(t, spec)
	n1, n2 := c.Nodes()[0], c.Nodes()[1]
	if !c.HarnessAddr().IsValid() || c.HarnessAddr().IsLoopback() {
		t.Error(c.HarnessAddr())
	}
	addr := serve(t, n2)
	do := func(n *cluster.Node, action cluster.Action) cluster.Effect {
		t.Helper()
		e, err := n.Do(t.Context(), action)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	at := time.Now().Add(200 * time.Millisecond)
	e := do(n2, cluster.Action{Kind: cluster.Block, ID: "p", At: at, Rules: []cluster.Rule{{Peer: n1.Addr, In: true, Out: true}}})
	t.Logf("partition: %+v late", e.At.Sub(at))
	if err := n1.Probe(t.Context(), addr, 300*time.Millisecond); err == nil {
		t.Error("it is reached though it is cut off")
	}
	do(n2, cluster.Action{Kind: cluster.Unblock, ID: "p"})
	if err := n1.Probe(t.Context(), addr, 3*time.Second); err != nil {
		t.Error(err)
	}
	at = time.Now().Add(200 * time.Millisecond)
	e = do(n2, cluster.Action{Kind: cluster.Kill, ID: "k", At: at})
	t.Logf("kill: %v late, ±%v", e.At.Sub(at), e.Error)
	if x := <-n2.Exits(); !x.Planned || x.Signal != "killed" {
		t.Errorf("%+v", x)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := left(t, a, spec.Launch); n > 0 {
		t.Errorf("%d objects are left", n)
	}
}

// Without an image of our own the binary comes into the target's.
func TestBring(t *testing.T) {
	realCluster(t)
	spec := testSpec(cluster.NodeSpec{Name: "n1", Image: shellImage})
	spec.AgentImage = ""
	c := launched(t, spec)
	out, err := c.Nodes()[0].Run(t.Context(), cluster.ServerSpec{Command: []string{"redis-server", "--version"}})
	if err != nil || !strings.Contains(string(out), "Redis server v=8") {
		t.Errorf("%s: %v", out, err)
	}
}

// The cluster itself removes everything when the harness is gone: nobody renews, nobody
// deletes.
func TestAbandoned(t *testing.T) {
	a := realCluster(t)
	spec := testSpec(cluster.NodeSpec{Name: "n1"})
	c := launched(t, spec).(*running)
	c.stopLease()
	var began time.Time
	c.mu.Lock()
	for _, end := range c.held { // the channels end as with the harness
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	c.held = nil
	c.mu.Unlock()
	for began = time.Now(); left(t, a, spec.Launch) > 0; time.Sleep(200 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d objects are left", left(t, a, spec.Launch))
		}
	}
	t.Logf("nothing is left after %v", time.Since(began))
}

func TestNoImage(t *testing.T) {
	a := realCluster(t)
	spec := testSpec(cluster.NodeSpec{Name: "n1", Image: "localhost:1/none:1"})
	_, err := New(nil).Launch(t.Context(), spec)
	if !errors.Is(err, cluster.ErrImage) || !strings.Contains(err.Error(), "localhost:1/none:1 cannot be pulled") {
		t.Error(err)
	}
	if n := left(t, a, spec.Launch); n > 0 {
		t.Errorf("%d objects are left", n)
	}
}

// A namespace that admits no capability still has nodes, which say what they cannot do.
func TestPodSecurity(t *testing.T) {
	a := realCluster(t)
	for _, level := range []string{"baseline", "restricted"} {
		t.Run(level, func(t *testing.T) {
			name := "aftershock-test-" + level
			_ = a.Namespaces.Delete(t.Context(), name, 0)
			for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
				_, err := a.Namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}})
				if err == nil {
					break
				}
				if time.Now().After(end) {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() { _ = a.Namespaces.Delete(context.Background(), name, 0) })
			inside, err := api.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			spec := testSpec(cluster.NodeSpec{Name: "n1"})
			l, err := newLaunch(inside, spec)
			if err != nil {
				t.Fatal(err)
			}
			l.log = New(nil).(*host).log
			c, err := l.run(t.Context())
			if err != nil {
				t.Fatal(err, l.cluster.Close(context.Background()))
			}
			defer c.Close(context.Background())
			n := c.Nodes()[0]
			if err := n.Control.(cluster.Able).Can(t.Context(), cluster.Block); err == nil {
				t.Error("it says that it can be cut off")
			}
			serve(t, n)
			if e, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Kill, ID: "k"}); err != nil || !e.Changed {
				t.Errorf("%+v, %v", e, err)
			}
			// What needs more is refused in the admission's words.
			spec = testSpec(cluster.NodeSpec{Name: "n1"})
			spec.Needs.Shape = true
			if l, err = newLaunch(inside, spec); err != nil {
				t.Fatal(err)
			}
			if err := l.admit(t.Context()); err == nil || !strings.Contains(err.Error(), "NET_ADMIN") || !strings.Contains(err.Error(), "enforce") {
				t.Error(err)
			}
		})
	}
}
