package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// scheme holds the kinds that are read and written here.
var (
	scheme = newScheme()
	codecs = serializer.NewCodecFactory(scheme)
)

// client-go logs what goes on in its streams to standard error, in the middle of
// everything; what matters of it comes back as an error.
func init() { klog.SetLogger(logr.Discard()) }

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for gv, kinds := range map[schema.GroupVersion][]runtime.Object{
		corev1.SchemeGroupVersion: {
			&corev1.Pod{}, &corev1.PodList{}, &corev1.Node{}, &corev1.NodeList{}, &corev1.EventList{}, &corev1.Namespace{},
		},
		appsv1.SchemeGroupVersion:          {&appsv1.StatefulSet{}, &appsv1.StatefulSetList{}},
		batchv1.SchemeGroupVersion:         {&batchv1.Job{}, &batchv1.JobList{}},
		coordinationv1.SchemeGroupVersion:  {&coordinationv1.Lease{}, &coordinationv1.LeaseList{}},
		authorizationv1.SchemeGroupVersion: {&authorizationv1.SelfSubjectAccessReview{}},
	} {
		s.AddKnownTypes(gv, kinds...)
		metav1.AddToGroupVersion(s, gv)
	}
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	return s
}

// API is a connection to a cluster, as a kubeconfig describes it, or as a pod's service
// account has it. It may be used by many goroutines.
type API struct {
	Namespace string // where this user's objects are
	Server    string // the API server's URL

	config *rest.Config
	groups map[string]rest.Interface // by group; "" is the core one

	Pods         Resource[corev1.Pod, *corev1.Pod]
	Nodes        Resource[corev1.Node, *corev1.Node]
	Namespaces   Resource[corev1.Namespace, *corev1.Namespace]
	StatefulSets Resource[appsv1.StatefulSet, *appsv1.StatefulSet]
	Jobs         Resource[batchv1.Job, *batchv1.Job]
	Leases       Resource[coordinationv1.Lease, *coordinationv1.Lease]
	Reviews      Resource[authorizationv1.SelfSubjectAccessReview, *authorizationv1.SelfSubjectAccessReview]
}

// Requests that a client may send in a second, and at once. A launch makes some ten for
// each node.
const (
	requestsPerSecond = 100
	requestsAtOnce    = 200
)

// errNone says that nobody has said which cluster is meant.
var errNone = errors.New("no cluster is configured: set KUBECONFIG, or write ~/.kube/config")

// Load reads the user's configuration as kubectl does: KUBECONFIG, ~/.kube/config, or,
// in a pod, its service account. It asks nothing of the cluster. Namespace "" is the
// configuration's own. Its errors wrap cluster.ErrUnavailable.
func Load(namespace string) (*API, error) {
	loading := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil)
	config, err := loading.ClientConfig()
	if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
		err = errNone
	}
	if err == nil && config.Host == "http://localhost:8080" && os.Getenv("KUBERNETES_MASTER") == "" {
		err = errNone // what it makes of a configuration without a cluster
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cluster.ErrUnavailable, err)
	}
	if namespace == "" {
		if namespace, _, err = loading.Namespace(); err != nil {
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnavailable, err)
		}
	}
	return New(config, namespace)
}

// New is an API for a configuration of client-go's.
func New(config *rest.Config, namespace string) (*API, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = requestsPerSecond, requestsAtOnce
	config.WarningHandler = rest.NoWarnings{} // it would write to standard error in the middle of everything
	config.UserAgent = "aftershock"
	a := &API{Namespace: namespace, Server: config.Host, config: config, groups: map[string]rest.Interface{}}
	for _, gv := range []schema.GroupVersion{
		corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion,
		coordinationv1.SchemeGroupVersion, authorizationv1.SchemeGroupVersion,
	} {
		c := rest.CopyConfig(config)
		c.GroupVersion, c.NegotiatedSerializer = &gv, codecs.WithoutConversion()
		c.APIPath = "/apis"
		if gv.Group == "" {
			c.APIPath = "/api"
		}
		client, err := rest.RESTClientFor(c)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnavailable, err)
		}
		a.groups[gv.Group] = client
	}
	a.Pods.in(a, "", namespace, "pods")
	a.Nodes.in(a, "", "", "nodes")
	a.Namespaces.in(a, "", "", "namespaces")
	a.StatefulSets.in(a, appsv1.GroupName, namespace, "statefulsets")
	a.Jobs.in(a, batchv1.GroupName, namespace, "jobs")
	a.Leases.in(a, coordinationv1.GroupName, namespace, "leases")
	a.Reviews.in(a, authorizationv1.GroupName, "", "selfsubjectaccessreviews")
	return a, nil
}

// Version asks the API server for its version, such as "v1.34.4".
func (a *API) Version(ctx context.Context) (string, error) {
	var v version.Info
	if err := a.Raw(ctx, "/version", &v); err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

// Words are an error of the API server's in its own words, on one line.
func Words(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// retryPause is between two attempts at something that the API server did not answer.
const retryPause = 300 * time.Millisecond

func pause(ctx context.Context) {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
