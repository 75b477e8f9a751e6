package kubernetes

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func TestCheck(t *testing.T) {
	good := cluster.Spec{Run: "r", Nodes: []cluster.NodeSpec{{Name: "n1", Image: "redis"}}}
	if err := check(good); err != nil {
		t.Error(err)
	}
	for want, spec := range map[string]cluster.Spec{
		"0 nodes":        {},
		"none for a pod": {Nodes: []cluster.NodeSpec{{Name: "N1", Image: "redis"}}},
		"two nodes":      {Nodes: []cluster.NodeSpec{{Name: "a", Image: "redis"}, {Name: "a", Image: "redis"}}},
		"--agent-image":  {Nodes: []cluster.NodeSpec{{Name: "a"}}},
		"launch id":      {Launch: "x", Nodes: good.Nodes},
		"negative":       {Lease: -1, Nodes: good.Nodes},
	} {
		if err := check(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := check(cluster.Spec{Nodes: []cluster.NodeSpec{{Name: "a"}}}); !errors.Is(err, cluster.ErrImage) {
		t.Error(err)
	}
}

// What a launch makes is named as the API server accepts it, whatever the run is called.
func TestNames(t *testing.T) {
	l, err := newLaunch(fakeAPI(t, nil), cluster.Spec{
		Run: strings.Repeat("Über_9.", 20), Launch: rand.Text(), AgentImage: "agent",
		Nodes: []cluster.NodeSpec{{Name: strings.Repeat("n", maxNodeName), Image: "db"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	pod := l.nodePod(0, full)
	if wrong := validation.IsDNS1123Label(pod.Name); len(wrong) > 0 {
		t.Error(pod.Name, wrong)
	}
	for key, value := range pod.Labels {
		if wrong := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(wrong) > 0 {
			t.Error(key, value, wrong)
		}
	}
	if pod.Annotations[labelRun] != l.spec.Run {
		t.Error("the run's id is not whole anywhere")
	}
	if got := labelValue("2026-11-29_quick-start-"); got != "2026-11-29_quick-start" {
		t.Error(got)
	}
}

// A pod asks for no more than its posture, and takes nothing of the cluster's along.
func TestPod(t *testing.T) {
	spec := cluster.Spec{Run: "r", Launch: rand.Text(), Nodes: []cluster.NodeSpec{{Name: "n1", Image: "db"}},
		Needs: cluster.Needs{Trace: true}, Limits: cluster.Limits{Memory: 1 << 30, CPUs: 0.25}}
	l, err := newLaunch(fakeAPI(t, nil), spec)
	if err != nil {
		t.Fatal(err)
	}
	p := l.nodePod(0, full).Spec
	c := p.Containers[0]
	if got := c.SecurityContext.Capabilities.Add; len(got) != 2 || got[0] != "NET_ADMIN" || got[1] != "SYS_PTRACE" {
		t.Error(got)
	}
	if *p.AutomountServiceAccountToken || *p.EnableServiceLinks || p.RestartPolicy != corev1.RestartPolicyNever || p.ActiveDeadlineSeconds == nil {
		t.Errorf("%+v", p)
	}
	if c.Command[0] != "sh" || len(p.InitContainers) > 0 || c.Resources.Limits.Memory().Value() != 1<<30 || c.Resources.Limits.Cpu().MilliValue() != 250 {
		t.Errorf("%+v", c)
	}
	if r := l.nodePod(0, restricted).Spec; r.Containers[0].SecurityContext.Capabilities.Drop[0] != "ALL" || !*r.SecurityContext.RunAsNonRoot || *r.SecurityContext.FSGroup != nobody {
		t.Errorf("%+v", r.SecurityContext)
	}
	l.spec.AgentImage = "agent:1"
	p = l.nodePod(0, baseline).Spec
	if p.InitContainers[0].Image != "agent:1" || p.Containers[0].Command[0] != binary || p.Containers[0].Args[0] != "agent" || p.Containers[0].SecurityContext.Capabilities != nil {
		t.Errorf("%+v", p)
	}
	l.spec.Needs.Volume = &cluster.Volume{}
	if c := l.nodePod(0, full).Spec.Containers[0].SecurityContext; c.Privileged == nil || !*c.Privileged {
		t.Errorf("%+v", c)
	}
}

func TestStuck(t *testing.T) {
	pod := func(f func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{NodeName: "m1"}, Status: corev1.PodStatus{Phase: corev1.PodPending}}
		f(p)
		return p
	}
	waits := func(reason, message string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "node", Image: "db:9", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
		}
	}
	if err := stuck(nil); err != nil {
		t.Error(err)
	}
	if err := stuck(pod(waits("ContainerCreating", ""))); err != nil {
		t.Error(err)
	}
	err := stuck(pod(waits("ErrImagePull", "no\nsuch \x1b[31mhost")))
	if !errors.Is(err, cluster.ErrImage) || !strings.Contains(err.Error(), "db:9 cannot be pulled by machine m1") || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%q", err)
	}
	if err := stuck(pod(waits("CreateContainerError", "no sh"))); err == nil || errors.Is(err, cluster.ErrImage) || !strings.Contains(err.Error(), "no sh") {
		t.Error(err)
	}
	failed := pod(func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "node", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 91, Reason: "Error"}}}}
	})
	if err := stuck(failed); err == nil || !strings.Contains(err.Error(), "Evicted") || !strings.Contains(err.Error(), "exit code 91") {
		t.Error(err)
	}
	homeless := pod(func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available"}}
	})
	if got := unplaced(homeless); got != "0/3 nodes are available" {
		t.Error(got)
	}
}

// A partition names one address: if the nodes do not agree on it, no run begins.
func TestAgree(t *testing.T) {
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2"}}
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	if got, err := agree(nodes, []netip.Addr{a, a}); err != nil || got != a {
		t.Error(got, err)
	}
	for _, peers := range [][]netip.Addr{{a, b}, {netip.MustParseAddr("127.0.0.1"), a}} {
		if _, err := agree(nodes, peers); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("%v: %v", peers, err)
		}
	}
}

func TestExpired(t *testing.T) {
	now := time.Now()
	lease := func(renewed time.Time) *coordinationv1.Lease {
		seconds, at := int32(keeperLease/time.Second), metav1.NewMicroTime(renewed)
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &at, LeaseDurationSeconds: &seconds}}
	}
	if expired(lease(now.Add(-keeperLease-leaseGrace/2)), now) || expired(&coordinationv1.Lease{}, now) {
		t.Error("its holder may live")
	}
	if !expired(lease(now.Add(-keeperLease-leaseGrace-time.Second)), now) {
		t.Error("its holder is dead")
	}
}

func TestFullName(t *testing.T) {
	for name, want := range map[string]string{
		"redis":                       "docker.io/library/redis:latest",
		"aftershock/redis:8.0":        "docker.io/aftershock/redis:8.0",
		"docker.io/aftershock/redis":  "docker.io/aftershock/redis:latest",
		"localhost/a:1":               "localhost/a:1",
		"r.example:5000/a/b@sha256:x": "r.example:5000/a/b@sha256:x",
	} {
		if got := fullName(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
