package kubernetes

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// Names inside a node's pod.
const (
	container = "node"
	dataDir   = "/aftershock-data"
	binaryDir = "/aftershock-bin"     // where the binary is brought into images of others
	binary    = binaryDir + "/binary" // the binary there
	volumeBin = "aftershock-bin"      // of binaryDir
	volumeNow = "aftershock-data"     // of dataDir
	longest   = int64(24 * 60 * 60)   // seconds that anything may live, whatever happens
	nobody    = int64(65532)          // the user where root is not admitted
)

// awaitBinary is what a pod's first process does in an image of somebody else's until
// the harness has brought the binary.
const awaitBinary = "n=0; while [ ! -x " + binary + " ]; do n=$((n+1)); [ $n -lt 600 ] || exit 91; sleep 0.1 || sleep 1; done; exec " + binary + " agent"

// takeBinary is the command that takes the binary from its standard input.
const takeBinary = "cat >" + binary + ".new && chmod 755 " + binary + ".new && mv " + binary + ".new " + binary

// posture is what the nodes' processes may do; a namespace may admit less than faults
// need.
type posture uint8

const (
	full       posture = iota // root, with the capabilities of the faults
	baseline                  // root, with the runtime's own capabilities
	restricted                // no root, no capability
)

func (p posture) String() string {
	return [...]string{"privileges for all faults", "no privileges beyond the runtime's own", "no privileges at all"}[p]
}

// security is a posture as a pod is told it.
func (p posture) security(needs cluster.Needs) (*corev1.PodSecurityContext, *corev1.SecurityContext) {
	root := int64(0)
	switch p {
	case full:
		c := &corev1.SecurityContext{RunAsUser: &root, RunAsNonRoot: new(bool)}
		if needs.Volume != nil { // its device is for privileged containers alone
			c.Privileged = new(true)
			return &corev1.PodSecurityContext{}, c
		}
		c.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}
		if needs.Trace {
			c.Capabilities.Add = append(c.Capabilities.Add, "SYS_PTRACE")
		}
		return &corev1.PodSecurityContext{}, c
	case baseline:
		return &corev1.PodSecurityContext{}, &corev1.SecurityContext{RunAsUser: &root, RunAsNonRoot: new(bool)}
	}
	user := nobody
	return &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		&corev1.SecurityContext{AllowPrivilegeEscalation: new(bool), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}

// meta names an object of the launch's, which the keeper owns once there is one.
func (l *launch) meta(name string) metav1.ObjectMeta {
	labels := map[string]string{labelLaunch: l.spec.Launch}
	if run := labelValue(l.spec.Run); run != "" {
		labels[labelRun] = run
	}
	m := metav1.ObjectMeta{Name: prefix(l.spec.Launch) + "-" + name, Labels: labels, Annotations: map[string]string{labelRun: l.spec.Run}}
	if l.owner.UID != "" {
		m.OwnerReferences = []metav1.OwnerReference{l.owner}
	}
	return m
}

// nodePod is the pod of node i.
func (l *launch) nodePod(i int, p posture) *corev1.Pod {
	n, of := l.spec.Nodes[i], l.spec.Of(i)
	meta := l.meta(n.Name)
	meta.Labels[labelNode] = n.Name
	spec := l.podSpec(of, l.image(n), n.Name, l.lease, p)
	spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{
			TopologyKey:   corev1.LabelHostname,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{labelLaunch: l.spec.Launch}, MatchExpressions: []metav1.LabelSelectorRequirement{{Key: labelNode, Operator: metav1.LabelSelectorOpExists}}},
		}}},
	}}
	spec.Containers[0].Resources.Limits = resourcesOf(of.Limits)
	return &corev1.Pod{ObjectMeta: meta, Spec: spec}
}

// image is what a node's pod is made of; empty: the agent's image. One that runs nothing
// of the target's is made of the target's image where there is no agent's.
func (l *launch) image(n cluster.NodeSpec) string {
	if n.Image == "" && l.spec.AgentImage == "" {
		return l.spec.Nodes[0].Image
	}
	return n.Image
}

// podSpec is a pod whose PID 1 is an agent. The binary is the image's own, or an init
// container's of the agent's image, or comes later, see bring.
func (l *launch) podSpec(of cluster.Spec, image, name string, lease time.Duration, p posture) corev1.PodSpec {
	forPod, forContainer := p.security(of.Needs)
	mounts := []corev1.VolumeMount{{Name: volumeNow, MountPath: dataDir}}
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	grace, deadline := int64(0), longest
	spec := corev1.PodSpec{
		Hostname: name, RestartPolicy: corev1.RestartPolicyNever, DNSPolicy: corev1.DNSDefault,
		AutomountServiceAccountToken: new(bool), EnableServiceLinks: new(bool),
		TerminationGracePeriodSeconds: &grace, ActiveDeadlineSeconds: &deadline, SecurityContext: forPod,
		Volumes: []corev1.Volume{{Name: volumeNow, VolumeSource: empty}},
	}
	c := corev1.Container{
		Name: container, Image: cmp.Or(image, l.spec.AgentImage), ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{"agent"}, WorkingDir: "/", Stdin: true, StdinOnce: true,
		Env: env(of, lease), SecurityContext: forContainer,
	}
	if image != "" {
		brought := corev1.VolumeMount{Name: volumeBin, MountPath: binaryDir}
		mounts = append(mounts, brought)
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: volumeBin, VolumeSource: empty})
		c.Command = []string{binary}
		if l.spec.AgentImage == "" {
			c.Command, c.Args = []string{"sh", "-c", awaitBinary}, nil
		} else {
			spec.InitContainers = []corev1.Container{{
				Name: "binary", Image: l.spec.AgentImage, ImagePullPolicy: corev1.PullIfNotPresent,
				Args: []string{"agent", "--install", binary}, VolumeMounts: []corev1.VolumeMount{brought}, SecurityContext: forContainer,
			}}
		}
	}
	c.VolumeMounts = mounts
	spec.Containers = []corev1.Container{c}
	return spec
}

// resourcesOf are the limits of a node's container; nil: it has none.
func resourcesOf(l cluster.Limits) corev1.ResourceList {
	list := corev1.ResourceList{}
	if l.Memory > 0 {
		list[corev1.ResourceMemory] = *resource.NewQuantity(l.Memory, resource.BinarySI)
	}
	if l.CPUs > 0 {
		list[corev1.ResourceCPU] = *resource.NewMilliQuantity(max(1, int64(math.Round(l.CPUs*1000))), resource.DecimalSI)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func env(of cluster.Spec, lease time.Duration) []corev1.EnvVar {
	env := map[string]string{
		agent.EnvLease: lease.String(), agent.EnvData: dataDir,
		agent.EnvProcesses: strconv.Itoa(cmp.Or(of.Limits.Processes, cluster.DefaultProcesses)),
	}
	if v := of.Needs.Volume; v != nil {
		env[agent.EnvVolume] = agent.VolumeEnv(v)
	}
	if limit := of.Limits.Memory; limit > 0 {
		env[agent.EnvLimit] = strconv.FormatInt(limit, 10)
	}
	var list []corev1.EnvVar
	for _, name := range sortedKeys(env) {
		list = append(list, corev1.EnvVar{Name: name, Value: env[name]})
	}
	return list
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
