package pods

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// TestDrainThatFails: a machine from which a pod cannot be evicted is given back at
// once, and what the end of the fault asks for then is no error.
func TestDrainThatFails(t *testing.T) {
	var cordoned []bool
	a := fakeAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		machine := corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "m1", ResourceVersion: "7"}}
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/namespaces/shop/pods/db-0/eviction"):
			w.WriteHeader(http.StatusTooManyRequests)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonTooManyRequests, Code: http.StatusTooManyRequests,
				Message: "it would violate the pod's disruption budget"})
			return
		case !strings.HasSuffix(r.URL.Path, "/nodes/m1"):
			http.Error(w, r.Method+" "+r.URL.String(), http.StatusTeapot)
			return
		case r.Method == http.MethodPatch:
			var change struct{ Spec struct{ Unschedulable *bool } }
			_ = json.NewDecoder(r.Body).Decode(&change)
			cordoned = append(cordoned, change.Spec.Unschedulable != nil && *change.Spec.Unschedulable)
		case len(cordoned) > 0:
			machine.Spec.Unschedulable, machine.Labels = true, map[string]string{"aftershock.dev/cordoned": "launch-1"}
		}
		_ = json.NewEncoder(w).Encode(machine)
	})
	d := watched(t, Target{Names: []string{"a"}}, changed(pod("db-0", "1", "10.0.0.1"), func(p *corev1.Pod) { p.Spec.NodeName = "m1" }))
	d.api, d.spec.Launch = a, "launch-1"
	ctx, cancel := context.WithTimeout(t.Context(), 2*evictPause)
	defer cancel()
	drain := cluster.Action{Kind: cluster.Drain, ID: "f1"}
	if _, err := d.nodes[0].drain(ctx, drain); err == nil || !strings.Contains(err.Error(), "evict the pod of a") || !strings.Contains(err.Error(), "disruption budget") {
		t.Errorf("%v", err)
	}
	if len(cordoned) != 2 || !cordoned[0] || cordoned[1] {
		t.Errorf("the machine was cordoned: %v", cordoned)
	}
	if effect, err := d.nodes[0].uncordon(t.Context(), cluster.Action{ID: "f1", At: time.Now()}); err != nil || effect.Changed {
		t.Errorf("the fault's end: %+v, %v", effect, err)
	}
}
