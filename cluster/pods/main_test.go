package pods

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// client-go keeps one connection to each API server for the whole process, and stops
// the pulse of a stream a few seconds after it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"),
		goleak.IgnoreTopFunction("k8s.io/client-go/tools/remotecommand.(*heartbeat).start"))
}

// The tests on a real cluster need that of KUBECONFIG, where pods' addresses are
// reached, with images aftershock/agent:test (scripts/kubernetes agent) and
// aftershock/redis:8.0.
const (
	testVariable = "AFTERSHOCK_TEST_KUBERNETES"
	redisImage   = "aftershock/redis:8.0"
	redisPort    = 6379
)

// agentImage has the binary.
var agentImage = cmp.Or(os.Getenv("AFTERSHOCK_AGENT_IMAGE"), "aftershock/agent:test")

// namespace makes a namespace of its own, whose Pod Security level is enforced, and is
// an API for it.
func namespace(t *testing.T, level string) *api.API {
	t.Helper()
	if os.Getenv(testVariable) == "" {
		t.Skipf("a real cluster: make kubernetes, or set %s=1 and KUBECONFIG", testVariable)
	}
	a, err := api.Load("aftershock-test-" + strings.ToLower(rand.Text()[:8]))
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.Namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}}
	if _, err := a.Namespaces.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Namespaces.Delete(context.Background(), a.Namespace, 0); err != nil {
			t.Error(err)
		}
	})
	return a
}

// template is a pod of Redis, as the user whom level admits.
func template(level string) corev1.PodSpec {
	grace := int64(1)
	spec := corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		Containers: []corev1.Container{{Name: "redis", Image: redisImage, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"redis-server", "--save", "", "--protected-mode", "no"}}},
	}
	if level == "restricted" {
		user := int64(4711)
		spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: &user, RunAsGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
		spec.Containers[0].WorkingDir = "/tmp"
		spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: new(bool), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	}
	return spec
}

// statefulSet makes db-0 and so on, and waits until they run.
func statefulSet(t *testing.T, a *api.API, replicas int32, spec corev1.PodSpec) {
	t.Helper()
	labels := map[string]string{"app": "db"}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{
		ServiceName: "db", Replicas: &replicas, PodManagementPolicy: appsv1.ParallelPodManagement, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
	}}
	eventually(t, time.Minute, func() error { // the service account of a new namespace comes a moment later
		_, err := a.StatefulSets.Create(t.Context(), set)
		return err
	})
	eventually(t, time.Minute, func() error {
		var pods corev1.PodList
		if err := a.Pods.List(t.Context(), "app=db", &pods); err != nil {
			return err
		}
		if len(pods.Items) != int(replicas) {
			return errors.New("not all pods are there")
		}
		for i := range pods.Items {
			if p := &pods.Items[i]; !runs(p, "redis") || !api.Reached(t.Context(), p.Status.PodIP+":6379") {
				return errors.New(p.Name + ": " + state(p))
			}
		}
		return nil
	})
}

func eventually(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const testLease = 2 * time.Second

// attached finds and, if invited, enters the pods of StatefulSet db.
func attached(t *testing.T, a *api.API, image string, invited bool) cluster.Deployment {
	t.Helper()
	place := New(Target{Namespace: a.Namespace, StatefulSet: "db", Replicas: 2, Names: []string{"db-0", "db-1"}})
	d, err := place.Find(t.Context(), cluster.AttachSpec{Run: "test", Launch: rand.Text(), Port: redisPort, Lease: testLease, AgentImage: image, Binary: "../../bin/aftershock"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if invited {
		began := time.Now()
		if err := d.Invite(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("guests answer after %s", time.Since(began))
	}
	return d
}

// do does an action, which has to change something.
func do(t *testing.T, n *cluster.Node, a cluster.Action) cluster.Effect {
	t.Helper()
	effect, err := n.Do(t.Context(), a)
	if err != nil || !effect.Changed {
		t.Fatalf("%s: %+v, %v", a.Kind, effect, err)
	}
	return effect
}

// change waits for what the cluster did to a node.
func change(t *testing.T, d cluster.Deployment, node int, kind cluster.ChangeKind) cluster.Change {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case c := <-d.Changes():
			t.Logf("node %d %s: %s %s", c.Node, c.Kind, c.Detail, c.Addr)
			if c.Node == node && c.Kind == kind {
				return c
			}
		case <-timeout:
			t.Fatalf("node %d was not told to be %s", node, kind)
		}
	}
}

// exit waits for the server's end.
func exit(t *testing.T, n *cluster.Node) cluster.Exit {
	t.Helper()
	select {
	case e := <-n.Exits():
		return e
	case <-time.After(time.Minute):
		t.Fatal("no exit was told")
	}
	return cluster.Exit{}
}

func at(n *cluster.Node) netip.AddrPort { return netip.AddrPortFrom(n.At(), redisPort) }

// answers tells whether Redis answers to a ping.
func answers(n *cluster.Node) bool {
	conn, err := dialFor(n, 500*time.Millisecond)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, 7)
	m, err := conn.Read(reply)
	return err == nil && string(reply[:m]) == "+PONG\r\n"
}
