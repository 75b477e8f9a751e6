package pods

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// follow takes what becomes of the pods until Close.
func (d *deployment) follow() {
	versions := map[string]string{}
	for d.Context.Err() == nil {
		var now map[string]*corev1.Pod
		err := d.tracker.Wait(d.Context, func(pods map[string]*corev1.Pod) (bool, error) {
			if sameVersions(pods, versions) {
				return false, nil
			}
			now = maps.Clone(pods)
			return true, nil
		})
		if err != nil {
			return // it has ended
		}
		clear(versions)
		for name, p := range now {
			versions[name] = p.ResourceVersion
		}
		at := time.Now()
		for _, n := range d.nodes {
			n.observe(d.podOf(n, now), at)
		}
	}
}

func sameVersions(pods map[string]*corev1.Pod, versions map[string]string) bool {
	if len(pods) != len(versions) {
		return false
	}
	for name, p := range pods {
		if versions[name] != p.ResourceVersion {
			return false
		}
	}
	return true
}

// podOf is a node's pod now; nil: it has none. Where names do not stay, a living pod
// that no node has takes the place of one that is gone or about to be.
func (d *deployment) podOf(n *node, now map[string]*corev1.Pod) *corev1.Pod {
	if d.target.stays() {
		return now[n.Public.Name]
	}
	var own *corev1.Pod
	if p := n.look().pod; p != nil && now[p.Name] != nil && now[p.Name].UID == p.UID {
		own = now[p.Name]
	}
	if own != nil && own.DeletionTimestamp == nil {
		return own
	}
	taken := map[string]bool{}
	for _, o := range d.nodes {
		if p := o.look().pod; p != nil {
			taken[p.Name] = true
		}
	}
	for _, p := range living(now) {
		if !taken[p.Name] {
			return p
		}
	}
	return own
}

// news are what an observation comes to, to be told when the node is not held any more.
type news struct {
	exit    *cluster.Exit
	changes []cluster.Change
	moved   bool
	newPod  bool // which has no guest yet
	newLife bool
	lost    []*hosted // guests that have ended
}

// observe takes what the cluster tells of the node's pod; nil: it has none.
func (n *node) observe(p *corev1.Pod, at time.Time) {
	var what news
	n.Change(func() {
		if n.Ended() {
			return
		}
		before := n.seen.pod
		if before != nil && (p == nil || p.UID != before.UID) {
			n.podGone(p, at, &what)
		}
		n.seen.pod = p
		if p == nil {
			return
		}
		what.newPod = before == nil || before.UID != p.UID
		n.observeGuests(p, &what)
		n.observeAddr(p, at, &what)
		n.observeServer(p, at, what.newPod, &what)
	})
	n.tell(what)
}

// podGone notes that the pod is not there any more. The caller holds mu.
func (n *node) podGone(next *corev1.Pod, at time.Time, what *news) {
	if n.life != "" {
		n.die(cluster.Exit{At: at, Code: -1, Signal: syscall.SIGKILL.String()}, what)
	}
	for _, h := range []*hosted{n.network, n.processes} {
		if h != nil {
			what.lost = append(what.lost, h)
		}
	}
	n.network, n.processes, n.peer = nil, nil, netip.Addr{}
	if next == nil {
		what.changes = append(what.changes, cluster.Change{At: at, Kind: cluster.Gone, Detail: "its pod " + n.seen.pod.Name + " was deleted"})
	}
}

// observeGuests notes guests that have ended. The caller holds mu.
func (n *node) observeGuests(p *corev1.Pod, what *news) {
	for _, h := range []*hosted{n.network, n.processes} {
		if h == nil {
			continue
		}
		if s := statusOf(p, h.name); s != nil && s.State.Terminated != nil {
			what.lost = append(what.lost, h) // its watcher does the rest
		}
	}
}

// observeAddr notes another address, which a pod has before its server runs. The caller
// holds mu.
func (n *node) observeAddr(p *corev1.Pod, at time.Time, what *news) {
	addr, err := netip.ParseAddr(p.Status.PodIP)
	if err != nil || addr == n.addr {
		return
	}
	what.changes = append(what.changes, cluster.Change{At: at, Kind: cluster.Moved, Addr: addr, Detail: "from " + n.addr.String() + " to " + addr.String()})
	n.addr, what.moved = addr, true
}

// observeServer notes what became of the server's container. The caller holds mu.
func (n *node) observeServer(p *corev1.Pod, at time.Time, fresh bool, what *news) {
	s := statusOf(p, n.seen.container)
	runsNow := s != nil && s.State.Running != nil && p.Status.PodIP != ""
	if n.life != "" && (!runsNow || s.ContainerID != n.life) {
		n.die(exitOf(s, at), what)
	}
	if !runsNow || n.life != "" {
		return
	}
	n.life, n.began = s.ContainerID, at
	n.asked, n.askedFor, n.askedAt = "", false, time.Time{}
	what.newLife = true
	detail := fmt.Sprintf("by the kubelet: restart %d of its container", s.RestartCount)
	if fresh || s.RestartCount == 0 {
		detail = fmt.Sprintf("as a new pod, %s on machine %s", p.Name, p.Spec.NodeName)
	}
	what.changes = append(what.changes, cluster.Change{At: at, Kind: cluster.Restarted, Detail: detail})
}

// bySignal is what a runtime adds to a signal's number for the exit code.
const bySignal = 128

// exitOf is the end of a container as the cluster tells it. Its own times are of a
// second's resolution and of another clock.
func exitOf(s *corev1.ContainerStatus, seen time.Time) cluster.Exit {
	e := cluster.Exit{At: seen}
	if s == nil {
		return e
	}
	t := s.State.Terminated
	if t == nil {
		t = s.LastTerminationState.Terminated
	}
	if t == nil {
		return e
	}
	e.Code, e.Memory = int(t.ExitCode), t.Reason == "OOMKilled"
	switch sig := syscall.Signal(t.ExitCode - bySignal); sig {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGABRT, syscall.SIGSEGV:
		e.Code, e.Signal = -1, sig.String()
	}
	return e
}

// die notes the server's end. The caller holds mu.
func (n *node) die(e cluster.Exit, what *news) {
	e.Planned, e.By = n.askedFor, n.asked
	if !n.askedAt.IsZero() {
		e.At = n.askedAt
	}
	e.Memory = e.Memory && !e.Planned
	n.died, n.life = e.At, ""
	if n.processes != nil {
		what.lost = append(what.lost, n.processes)
	}
	n.processes = nil
	n.asked, n.askedFor, n.askedAt = "", false, time.Time{}
	clear(n.Paused)
	what.exit = &e
}

// tell tells what was seen, and has the node met again.
func (n *node) tell(what news) {
	if what.exit != nil {
		n.TellExit(*what.exit)
	}
	for _, h := range what.lost {
		n.d.Background.Go(h.client.Abandon)
	}
	for _, c := range what.changes {
		if c.Kind == cluster.Moved {
			n.Public.Move(c.Addr)
		}
		n.Tell(c)
	}
	if what.moved {
		n.d.Background.Go(func() {
			ctx, cancel := context.WithTimeout(n.d.Context, callTimeout)
			defer cancel()
			n.d.Moved(ctx, n.Node)
		})
	}
	if !n.d.Invited() {
		return
	}
	s := n.look()
	if what.newPod {
		n.d.Background.Go(func() { n.meetPod(s) })
	}
	if what.newLife {
		n.d.Background.Go(func() { n.meetLife(s) })
	}
}
