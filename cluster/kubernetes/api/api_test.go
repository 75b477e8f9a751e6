package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fake(t *testing.T, h http.HandlerFunc) *API {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	a, err := New(&rest.Config{Host: s.URL}, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func podOf(name, version string) *corev1.Pod {
	return &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client tells
}

// A tracker follows pods over a watch that tears and over one that is too old.
func TestTracker(t *testing.T) {
	var lists, watches atomic.Int32
	a := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/shop/pods" || r.URL.Query().Get("labelSelector") != "a=b" {
			t.Errorf("%s", r.URL)
		}
		if r.URL.Query().Get("watch") == "" {
			n := lists.Add(1)
			list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(n * 100)}}
			list.Items = append(list.Items, *podOf("first", "1"))
			if n > 1 {
				list.Items = append(list.Items, *podOf("listed", "150"))
			}
			answer(w, list)
			return
		}
		event := func(kind string, object runtime.Object) {
			raw, _ := json.Marshal(object)
			answer(w, metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: raw}})
			w.(http.Flusher).Flush()
		}
		switch from := r.URL.Query().Get("resourceVersion"); watches.Add(1) {
		case 1:
			if from != "100" {
				t.Error(from)
			}
			event("ADDED", podOf("second", "101")) // and the stream tears
		case 2:
			if from != "101" {
				t.Error(from)
			}
			event("DELETED", podOf("second", "102"))
			event("ERROR", &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Code: 410, Reason: metav1.StatusReasonExpired})
		default:
			<-r.Context().Done()
		}
	})
	tracker, err := a.Track(t.Context(), "a=b")
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := tracker.Wait(ctx, func(pods map[string]*corev1.Pod) (bool, error) {
		return pods["listed"] != nil && pods["second"] == nil, nil
	}); err != nil {
		t.Fatal(err, tracker.Pods())
	}
	failed := errors.New("no use")
	if err := tracker.Wait(ctx, func(map[string]*corev1.Pod) (bool, error) { return false, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}

// What the API server refuses is told in its words.
func TestRefused(t *testing.T) {
	a := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("dryRun") != "All" {
			t.Error("it would have been made")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		answer(w, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden, Message: "pods is\nforbidden"})
	})
	err := a.Pods.Try(t.Context(), podOf("p", ""))
	if got := Words(err); got != "pods is forbidden" {
		t.Errorf("%q", got)
	}
	if err := a.Pods.DeleteAll(t.Context(), "", 0); err == nil || !strings.Contains(err.Error(), "nothing says which") {
		t.Error(err)
	}
}

// Without a configuration nothing is tried.
func TestLoad(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := Load(""); !errors.Is(err, cluster.ErrUnavailable) || !strings.Contains(err.Error(), "KUBECONFIG") {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("KUBECONFIG", file)
	if err := os.WriteFile(file, []byte("clusters: 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(""); !errors.Is(err, cluster.ErrUnavailable) || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
	good := "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\ncontexts: [{name: x, context: {cluster: c, namespace: shop}}]\ncurrent-context: x\n"
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Load("")
	if err != nil || a.Namespace != "shop" || a.Server != "http://127.0.0.1:1" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := a.Version(t.Context()); err == nil {
		t.Error("nobody listens there")
	}
}

// The printed role has each right, and is bound to the user as told.
func TestRole(t *testing.T) {
	role := Role("aftershock", "shop", `bob"x`, []Right{{"", "pods/attach", []string{"create", "get"}, false}, {"batch", "jobs", []string{"list"}, false}}) + ClusterRole("aftershock", "x", CordonRights)
	for _, want := range []string{`namespace: "shop"`, "resources: [pods/attach], verbs: [create, get]", `apiGroups: ["batch"]`, `name: "bob\"x"`,
		"kind: ClusterRole\nmetadata: {name: aftershock}\nrules:\n- {apiGroups: [\"\"], resources: [nodes], verbs: [get, list, patch]}\n---\n", "kind: ClusterRoleBinding"} {
		if !strings.Contains(role, want) {
			t.Errorf("no %s in\n%s", want, role)
		}
	}
}

// Words of others stay on one line, show nothing to a terminal and are bounded.
func TestSaid(t *testing.T) {
	var s Said
	_, _ = s.Write([]byte(strings.Repeat("x", 3*maxSaid)))
	_, _ = s.Write([]byte("\nthe end\x1b[31m"))
	if got := s.String(); strings.ContainsAny(got, "\n\x1b") || len(got) > 2*maxLine {
		t.Errorf("%q", got)
	}
	if got := new(Said).String(); got != "" {
		t.Errorf("%q", got)
	}
}
