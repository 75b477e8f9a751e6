package pods

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// fakeAPI is a cluster whose API server is a handler.
func fakeAPI(t *testing.T, h http.HandlerFunc) *api.API {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	a, err := api.New(&rest.Config{Host: s.URL}, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// pod is one that runs, with a container db in its first life.
func pod(name, uid, ip string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "db"}}}}
	p.Status.Phase, p.Status.PodIP, p.Status.PodIPs = corev1.PodRunning, ip, []corev1.PodIP{{IP: ip}}
	return life(p, "life-1", 0)
}

// life is a pod whose server runs.
func life(p *corev1.Pod, id string, restarts int32) *corev1.Pod {
	p = p.DeepCopy()
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "db", ContainerID: id, RestartCount: restarts, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

// dead is a pod whose server has ended.
func dead(p *corev1.Pod, code int32, reason string) *corev1.Pod {
	p = p.DeepCopy()
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}}
	return p
}

func changed(p *corev1.Pod, f func(*corev1.Pod)) *corev1.Pod {
	p = p.DeepCopy()
	f(p)
	return p
}

// TestFindRefuses: what cannot be attached to is named, with the remedy.
func TestFindRefuses(t *testing.T) {
	a := fakeAPI(t, http.NotFound)
	good := pod("db-0", "u0", "10.0.0.1")
	for name, tc := range map[string]struct {
		target Target
		there  []*corev1.Pod
		want   string // empty: it is found
	}{
		"as it should be":    {Target{Pods: []string{"db-0"}, Names: []string{"db-0"}}, []*corev1.Pod{good}, ""},
		"missing":            {Target{Pods: []string{"db-0", "db-1"}, Names: []string{"db-0", "db-1"}}, []*corev1.Pod{good}, "there is no pod db-1 in namespace shop"},
		"network of machine": {Target{Names: []string{"db-0"}}, []*corev1.Pod{changed(good, func(p *corev1.Pod) { p.Spec.HostNetwork = true })}, "hostNetwork"},
		"not running":        {Target{Names: []string{"db-0"}}, []*corev1.Pod{dead(good, 1, "Error")}, "ended with exit code 1"},
		"being deleted":      {Target{Names: []string{"db-0"}}, []*corev1.Pod{changed(good, func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.Time) })}, "being deleted"},
		"several containers": {Target{Names: []string{"db-0"}}, []*corev1.Pod{changed(good, func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "proxy"}) })}, "one of db, proxy"},
		"default container": {Target{Names: []string{"db-0"}}, []*corev1.Pod{changed(good, func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "proxy"})
			p.Annotations = map[string]string{defaultContainer: "db"}
		})}, ""},
		"no such container": {Target{Names: []string{"db-0"}, Container: "cache"}, []*corev1.Pod{good}, "no container cache"},
		"too few of labels": {Target{Selector: "app=db", Replicas: 2, Names: []string{"n1", "n2"}}, []*corev1.Pod{good}, "1 pods of namespace shop have the labels app=db (db-0)"},
	} {
		there := map[string]*corev1.Pod{}
		for _, p := range tc.there {
			there[p.Name] = p
		}
		_, err := tc.target.find(a, there)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPodsInOrderOfTheirNumbers(t *testing.T) {
	there := map[string]*corev1.Pod{}
	for _, name := range []string{"db-10", "db-9", "cache", "db-x"} {
		there[name] = pod(name, name, "10.0.0.1")
	}
	if got := namesOf(living(there)); got != "cache, db-9, db-10, db-x" {
		t.Error(got)
	}
}

// watched is a deployment of one node, whose pod is told by hand.
func watched(t *testing.T, target Target, pods ...*corev1.Pod) *deployment {
	t.Helper()
	d := &deployment{Deployment: guests.NewDeployment(t.Context(), slog.New(slog.DiscardHandler)), target: target}
	t.Cleanup(d.Stop)
	for i, p := range pods {
		n := newNode(d, i, target.Names[i], seen{pod: p, container: "db", addr: netip.MustParseAddr(p.Status.PodIP)})
		d.nodes = append(d.nodes, n)
		d.Add(n)
	}
	return d
}

// told are the changes since it was last asked, and the exit.
func told(d *deployment, n *node) string {
	var words []string
	for {
		select {
		case c := <-d.Changes():
			words = append(words, string(c.Kind))
		case e := <-n.Exits():
			words = append(words, fmt.Sprintf("exit %d %s memory=%v planned=%v by=%s", e.Code, e.Signal, e.Memory, e.Planned, e.By))
		default:
			return strings.Join(words, ", ")
		}
	}
}

// TestLives: what the cluster does to a pod is told, once.
func TestLives(t *testing.T) {
	first := pod("db-0", "u0", "10.0.0.1")
	second := pod("db-0", "u1", "10.0.0.2")
	pending := changed(second, func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} })
	type step struct {
		pod  *corev1.Pod
		want []string // parts, in any order
	}
	for name, steps := range map[string][]step{
		"nothing":                   {{first, nil}},
		"killed and restarted":      {{dead(first, 137, "Error"), []string{"exit -1 killed memory=false"}}, {dead(first, 137, "Error"), nil}, {life(first, "life-2", 1), []string{"restarted"}}},
		"out of memory":             {{dead(first, 137, "OOMKilled"), []string{"memory=true"}}},
		"ended by itself":           {{dead(first, 3, "Error"), []string{"exit 3 "}}},
		"restarted between looks":   {{life(first, "life-2", 1), []string{"exit 0", "restarted"}}},
		"deleted and made anew":     {{nil, []string{"gone", "exit -1 killed"}}, {pending, nil}, {second, []string{"moved", "restarted"}}},
		"made anew between looks":   {{second, []string{"exit -1 killed", "moved", "restarted"}}},
		"an address before it runs": {{changed(second, func(p *corev1.Pod) { p.Status.ContainerStatuses = nil }), []string{"exit", "moved"}}, {second, []string{"restarted"}}},
	} {
		d := watched(t, Target{Names: []string{"db-0"}}, first)
		for i, s := range steps {
			d.nodes[0].observe(s.pod, time.Now())
			got := told(d, d.nodes[0])
			for _, want := range s.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s, step %d: %q lacks %q", name, i, got, want)
				}
			}
			if parts := strings.Count(got, ", ") + 1; got != "" && parts != len(s.want) || got == "" && len(s.want) > 0 {
				t.Errorf("%s, step %d: %q, and %d were wanted", name, i, got, len(s.want))
			}
		}
	}
}

// TestExitOfACrash is the crash's, at its instant.
func TestExitOfACrash(t *testing.T) {
	first := pod("db-0", "u0", "10.0.0.1")
	d := watched(t, Target{Names: []string{"db-0"}}, first)
	n, at := d.nodes[0], time.Now().Add(-time.Second)
	n.Change(func() { n.asked, n.askedFor, n.askedAt = "f1", true, at })
	n.observe(dead(first, 137, "Error"), time.Now())
	if e := <-n.Exits(); !e.Planned || e.By != "f1" || !e.At.Equal(at) {
		t.Errorf("%+v", e)
	}
	n.observe(life(first, "life-2", 1), time.Now())
	n.observe(dead(life(first, "life-2", 1), 137, "Error"), time.Now())
	if e := <-n.Exits(); e.Planned || e.By != "" {
		t.Errorf("the next one is by nobody: %+v", e)
	}
}

// TestSuccessors: of pods with names by chance, who comes in place of one is its node's.
func TestSuccessors(t *testing.T) {
	x, y, z := pod("db-aa", "1", "10.0.0.1"), pod("db-bb", "2", "10.0.0.2"), pod("db-cc", "3", "10.0.0.3")
	d := watched(t, Target{Selector: "app=db", Names: []string{"n1", "n2"}}, x, y)
	leaving := changed(x, func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.Time) })
	now := map[string]*corev1.Pod{"db-aa": leaving, "db-bb": y}
	if got := d.podOf(d.nodes[0], now); got != leaving {
		t.Errorf("n1 has %v before another is there", got.Name)
	}
	now["db-cc"] = z
	for i, want := range []*corev1.Pod{z, y} {
		if got := d.podOf(d.nodes[i], now); got != want {
			t.Errorf("n%d has %s, want %s", i+1, got.Name, want.Name)
		}
		d.nodes[i].observe(want, time.Now())
	}
}

// TestWhom: an address means a pod, whatever its address is later.
func TestWhom(t *testing.T) {
	x, y := pod("db-0", "0", "10.0.0.1"), pod("db-1", "1", "10.0.0.2")
	d := watched(t, Target{Names: []string{"db-0", "db-1"}}, x, y)
	d.here = netip.MustParseAddr("10.9.9.9")
	first, moved := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.7")
	whom := d.whom(first)
	d.nodes[1].observe(pod("db-1", "2", "10.0.0.7"), time.Now())
	if whom == nil || !slices.Equal(whom(0), []netip.Addr{moved}) {
		t.Error("the rule does not follow the pod")
	}
	again := d.whom(first) // its first address, that the engine may still name
	if again == nil || !slices.Equal(again(0), []netip.Addr{moved}) {
		t.Error("its first address is nobody's")
	}
	if d.whom(netip.MustParseAddr("8.8.8.8")) != nil {
		t.Error("a stranger is taken for somebody")
	}
	if clients := d.whom(d.here); clients == nil || !slices.Contains(clients(0), d.here) {
		t.Error("the harness is taken for a stranger")
	}
}

// admits is an API server that admits guests whose security is of a level, and answers
// questions for rights.
func admits(t *testing.T, privileges bool, tried *int) *api.API {
	return fakeAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/namespaces/shop/pods/db-0/ephemeralcontainers") || r.URL.Query().Get("dryRun") != "All" {
			http.Error(w, r.Method+" "+r.URL.String(), http.StatusTeapot)
			return
		}
		*tried++
		var change struct{ Spec corev1.PodSpec }
		_ = json.NewDecoder(r.Body).Decode(&change)
		c := change.Spec.EphemeralContainers[0]
		if !privileges && c.SecurityContext.Capabilities != nil {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden,
				Message: `pods "db-0" is forbidden: violates PodSecurity "baseline:latest": NET_ADMIN`})
			return
		}
		_ = json.NewEncoder(w).Encode(corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}})
	})
}

// TestAdmission: what the namespace refuses is known before anything is brought there,
// in its own words, and asked once.
func TestAdmission(t *testing.T) {
	for _, privileges := range []bool{true, false} {
		tried := 0
		d := watched(t, Target{Names: []string{"db-0"}}, pod("db-0", "0", "10.0.0.1"))
		d.api = admits(t, privileges, &tried)
		for range 2 {
			for kind, possible := range map[cluster.ActionKind]bool{cluster.Block: privileges, cluster.Reset: privileges, cluster.Pause: true, cluster.Crash: true, cluster.Kill: false, cluster.Shape: false, cluster.Power: false} {
				err := d.Can(t.Context(), kind)
				if possible != (err == nil) {
					t.Errorf("privileges %v, %s: %v", privileges, kind, err)
				}
				if kind == cluster.Block && !privileges && !strings.Contains(err.Error(), `violates PodSecurity "baseline:latest"`) {
					t.Errorf("not in the admission's words: %v", err)
				}
			}
		}
		if want := map[bool]int{true: 2, false: 4}[privileges]; tried != want {
			t.Errorf("it was asked %d times, want %d", tried, want)
		}
	}
}

// TestSharedProcesses: a guest would hit all containers.
func TestSharedProcesses(t *testing.T) {
	tried := 0
	shared := changed(pod("db-0", "0", "10.0.0.1"), func(p *corev1.Pod) { p.Spec.ShareProcessNamespace = new(true) })
	d := watched(t, Target{Names: []string{"db-0"}}, shared)
	d.api = admits(t, true, &tried)
	if err := d.Can(t.Context(), cluster.Pause); err == nil || !strings.Contains(err.Error(), "shareProcessNamespace") {
		t.Error(err)
	}
	if err := d.Can(t.Context(), cluster.Block); err != nil {
		t.Error(err)
	}
}

// TestGuestsOfTheServersImage: who may do no more than the server has its user and its
// capabilities.
func TestGuestsOfTheServersImage(t *testing.T) {
	user := int64(999)
	p := changed(pod("db-0", "0", "10.0.0.1"), func(p *corev1.Pod) {
		p.Spec.Containers[0].Image = "db:1"
		p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{RunAsUser: &user, ReadOnlyRootFilesystem: new(true)}
	})
	d := watched(t, Target{Names: []string{"db-0"}}, p)
	s := d.nodes[0].look()
	c := d.container(s, "aftershock-x-1", agent.GuestOfBoth, same)
	if c.Image != "db:1" || c.TargetContainerName != "db" || *c.SecurityContext.RunAsUser != user || c.SecurityContext.ReadOnlyRootFilesystem != nil {
		t.Errorf("%+v", c)
	}
	if *s.pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem != true {
		t.Error("the pod itself was changed")
	}
	d.spec.AgentImage = "ours:1"
	if c := d.container(s, "aftershock-x-2", agent.GuestNetwork, privileged); c.Image != "ours:1" || c.TargetContainerName != "" || *c.SecurityContext.RunAsUser != 0 {
		t.Errorf("%+v", c)
	}
}
