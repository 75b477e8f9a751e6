package attach

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Kubernetes is pods of a cluster that KUBECONFIG names. One of StatefulSet, Selector
// and Pods says which.
type Kubernetes struct {
	Namespace   string   // empty: that of KUBECONFIG
	StatefulSet string   // its pods <name>-0 and so on are the nodes
	Selector    string   // labels; the pods have names by chance, and one that comes in place of another is the same node
	Pods        []string // by name
	Replicas    int      // how many nodes, of a StatefulSet or a selector
	Container   string   // the server's, where a pod has several
	Port        int      // the server's; 0: the target's own
}

func (k Kubernetes) asked() bool {
	return k.Namespace != "" || k.StatefulSet != "" || k.Selector != "" || len(k.Pods) > 0 || k.Replicas != 0 || k.Container != "" || k.Port != 0
}

// OfPods tells whether the nodes are pods.
func (a Attach) OfPods() bool { return a.Kubernetes.asked() }

// nodeNames are the pods' names, those that name gives where they have none that stays;
// nil: these are no pods.
func (k Kubernetes) nodeNames(name func(i int) string) []string {
	if len(k.Pods) > 0 {
		return slices.Clone(k.Pods)
	}
	if k.StatefulSet == "" && k.Selector == "" {
		return nil
	}
	if k.StatefulSet != "" {
		name = func(i int) string { return k.StatefulSet + "-" + strconv.Itoa(i) }
	}
	names := make([]string, min(max(k.Replicas, 0), maxNodes)) // more are a mistake
	for i := range names {
		names[i] = name(i)
	}
	return names
}

// objectName is a name of Kubernetes' objects, a DNS subdomain; label is a part of one.
var (
	objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	selectors  = regexp.MustCompile(`^[A-Za-z0-9._/!=,() -]+$`)
)

const (
	maxObjectName = 253
	maxLabelName  = 63
	maxSelector   = 1024
)

func (k Kubernetes) check() []Mistake {
	if !k.asked() {
		return nil
	}
	const at = "attach.kubernetes"
	ways := 0
	for _, named := range []bool{k.StatefulSet != "", k.Selector != "", len(k.Pods) > 0} {
		if named {
			ways++
		}
	}
	switch {
	case ways == 0:
		return []Mistake{mistake(at, "kubernetes does not say which pods are the nodes", "add statefulset: NAME and replicas: 3, or pods: [db-0, db-1, db-2]")}
	case ways > 1:
		return []Mistake{mistake(at, "the pods are named in more than one way", "keep one of statefulset, selector and pods")}
	}
	found := names(at+".pods", k.Pods)
	name := func(path, text string, form *regexp.Regexp, most int) {
		if text != "" && (len(text) > most || !form.MatchString(text)) {
			found = append(found, mistake(at+"."+path, fmt.Sprintf("%q is no name in Kubernetes", spelling.Short(text)), "write it as kubectl shows it"))
		}
	}
	name("namespace", k.Namespace, labelName, maxLabelName)
	name("statefulset", k.StatefulSet, objectName, maxObjectName)
	name("container", k.Container, labelName, maxLabelName)
	for i, p := range k.Pods {
		name(schema.Join("pods", strconv.Itoa(i)), p, objectName, maxObjectName)
	}
	if k.Selector != "" && (len(k.Selector) > maxSelector || !selectors.MatchString(k.Selector)) {
		found = append(found, mistake(at+".selector", fmt.Sprintf("%q is no selector of labels", spelling.Short(k.Selector)), "write it as for kubectl get pods -l: app=db,tier=data"))
	}
	switch {
	case len(k.Pods) > 0 && k.Replicas != 0:
		found = append(found, mistake(at+".replicas", "the pods are named, which says how many there are", "take replicas away"))
	case len(k.Pods) == 0 && k.Replicas == 0:
		found = append(found, mistake(at, "kubernetes does not say how many pods there are", "add replicas: 3"))
	}
	return found
}

func kubernetesKeys() []schema.Key[Kubernetes] {
	return []schema.Key[Kubernetes]{
		{Field: schema.Field{Name: "namespace", Type: schema.Text, Absent: "that of KUBECONFIG", Example: "shop",
			Meaning: "the namespace of the pods"},
			At: func(k *Kubernetes) any { return &k.Namespace }},
		{Field: schema.Field{Name: "statefulset", Type: schema.Text, Absent: "the pods are named by selector or pods", Example: "etcd",
			Meaning: "the StatefulSet whose pods are the nodes, each named as its pod"},
			At: func(k *Kubernetes) any { return &k.StatefulSet }},
		{Field: schema.Field{Name: "selector", Type: schema.Text, Absent: "the pods are named by statefulset or pods", Example: "app=redis,role=data",
			Meaning: "the labels of the pods that are the nodes, where names do not stay: n1 is the first by name, and who comes in place of one is the same node"},
			At: func(k *Kubernetes) any { return &k.Selector }},
		{Field: schema.Field{Name: "pods", Type: schema.List, Of: schema.Text, Max: maxNodes, Absent: "the pods are named by statefulset or selector", Example: "[db-0, db-1, db-2]",
			Meaning: "the pods that are the nodes"},
			At: func(k *Kubernetes) any { return &k.Pods }},
		{Field: schema.Field{Name: "replicas", Type: schema.Whole, Min: 1, Max: maxNodes, Absent: "as many as pods names", Example: "3",
			Meaning: "how many pods the StatefulSet, or the selector, has"},
			At: func(k *Kubernetes) any { return &k.Replicas }},
		{Field: schema.Field{Name: "container", Type: schema.Text, Absent: "the only one, or the pod's default container", Example: "etcd",
			Meaning: "the pods' container that has the server"},
			At: func(k *Kubernetes) any { return &k.Container }},
		{Field: schema.Field{Name: "port", Type: schema.Whole, Min: 1, Max: 65535, Absent: "the target's own", Example: "2379",
			Meaning: "the server's port in the pod"},
			At: func(k *Kubernetes) any { return &k.Port }},
	}
}
