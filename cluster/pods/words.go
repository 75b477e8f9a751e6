package pods

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// insecure tells whether an error is of Pod Security, or of another admission that
// knows pods.
func insecure(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "PodSecurity")
}

// remedy adds to a refusal of the API server's what helps.
func remedy(err error, a *api.API) error {
	switch {
	case err == nil:
		return nil
	case insecure(err):
		return fmt.Errorf("%s; what the namespace %s admits says its label pod-security.kubernetes.io/enforce", api.Words(err), a.Namespace)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s; `aftershock doctor --rbac PLAN` prints the role that suffices", api.Words(err))
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s; is there a namespace %s?", api.Words(err), a.Namespace)
	}
	return err
}

// unheard is remedy, also of a cluster that does not answer.
func unheard(err error, a *api.API) error {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return remedy(err, a)
	}
	return fmt.Errorf("%w: the cluster at %s: %s", cluster.ErrUnavailable, a.Server, api.Words(err))
}

// statusOf is what the cluster tells of a container; nil: nothing yet.
func statusOf(p *corev1.Pod, container string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

func runs(p *corev1.Pod, container string) bool {
	s := statusOf(p, container)
	return p.Status.PodIP != "" && s != nil && s.State.Running != nil
}

// stuck says why a guest's container will not run; nil: it may.
func stuck(p *corev1.Pod, container string) error {
	s := statusOf(p, container)
	switch {
	case s == nil:
		return nil
	case s.State.Terminated != nil:
		t := s.State.Terminated
		return fmt.Errorf("it ended with exit code %d (%s)", t.ExitCode, api.OneLine(t.Reason+" "+t.Message))
	case s.State.Waiting == nil || !slices.Contains(api.Hopeless, s.State.Waiting.Reason):
		return nil
	}
	w := s.State.Waiting
	if strings.Contains(w.Reason, "Image") {
		return fmt.Errorf("%w: %s cannot be pulled by machine %s of the cluster: %s: %s; name one that can by --agent-image",
			cluster.ErrImage, s.Image, p.Spec.NodeName, w.Reason, api.OneLine(w.Message))
	}
	return fmt.Errorf("it does not start: %s: %s", w.Reason, api.OneLine(w.Message))
}

// state is what is known of a pod, in words.
func state(p *corev1.Pod) string {
	if p == nil {
		return "there is no such pod"
	}
	text := "it is " + string(p.Status.Phase)
	if p.Spec.NodeName != "" {
		text += " on machine " + p.Spec.NodeName
	}
	for _, part := range []string{p.Status.Reason, p.Status.Message} {
		if part != "" {
			text += ", " + api.OneLine(part)
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			text += ", " + api.OneLine(c.Message)
		}
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		switch {
		case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
			text += fmt.Sprintf(", its container %s ended with exit code %d (%s)", s.Name, s.State.Terminated.ExitCode, api.OneLine(s.State.Terminated.Reason))
		case s.State.Waiting != nil:
			text += fmt.Sprintf(", its container %s waits: %s", s.Name, api.OneLine(s.State.Waiting.Reason))
		}
	}
	return text
}

// bounded keeps the first maxOutput bytes of what two streams say.
type bounded struct {
	mu   sync.Mutex
	text []byte
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p[:min(len(p), maxOutput-len(b.text))]...)
	return len(p), nil
}

func (b *bounded) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.text)
}
