package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

const (
	// keeperLease is how long the keeper lives without hearing from the harness: an API
	// server that stands still for a while, over which it may be reached, ends no run.
	keeperLease = 15 * time.Second
	// keeperLinger is for how many seconds its Job, and all that it owns, stay after it.
	keeperLinger = int32(2)
	// renewal is between two renewals of the Lease.
	renewal = keeperLease / 3
	// leaseGrace is what is added to a Lease whose holder another clock than ours may time.
	leaseGrace = 30 * time.Second
)

// keeperName is its name, which no node has.
const keeperName = "keeper"

// makeKeeper makes the Job that owns everything, and the Lease.
func (l *launch) makeKeeper(ctx context.Context) error {
	image := l.image(cluster.NodeSpec{})
	meta := l.meta(keeperName)
	meta.Labels[labelKeeper] = "1"
	once, none, linger, deadline := int32(1), int32(0), keeperLinger, longest
	// It touches nothing and needs nothing.
	spec := l.podSpec(cluster.Spec{}, image, keeperName, keeperLease, l.keeperPosture)
	pod := metav1.ObjectMeta{Labels: meta.Labels, Annotations: meta.Annotations}
	l.asked = true
	job, err := l.api.Jobs.Create(ctx, &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{
		Parallelism: &once, Completions: &once, BackoffLimit: &none, TTLSecondsAfterFinished: &linger, ActiveDeadlineSeconds: &deadline,
		Template: corev1.PodTemplateSpec{ObjectMeta: pod, Spec: spec},
	}})
	if err != nil {
		return fmt.Errorf("make the keeper: %w", remedy(err, l.api.Namespace))
	}
	l.owner = metav1.OwnerReference{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: job.Name, UID: job.UID}
	return l.makeLease(ctx)
}

// makeLease makes the Lease and keeps it fresh until the launch is closed.
func (l *launch) makeLease(ctx context.Context) error {
	machine, _ := os.Hostname()
	holder, seconds, now := fmt.Sprintf("%s:%d", machine, os.Getpid()), int32(keeperLease/time.Second), metav1.NowMicro()
	lease, err := l.api.Leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: l.meta("lease"), Spec: coordinationv1.LeaseSpec{
		HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now,
	}})
	if err != nil {
		return fmt.Errorf("make the lease: %w", remedy(err, l.api.Namespace))
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	l.cluster.stopLease = func() {
		stop()
		<-done
	}
	go func() {
		defer close(done)
		l.renew(renewing, lease)
	}()
	return nil
}

func (l *launch) renew(ctx context.Context, lease *coordinationv1.Lease) {
	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		call, cancel := context.WithTimeout(ctx, callTimeout)
		now := metav1.NowMicro()
		lease.Spec.RenewTime = &now
		fresh, err := l.api.Leases.Update(call, lease.Name, lease)
		if err == nil {
			lease = fresh
		} else if again, getErr := l.api.Leases.Get(call, lease.Name); getErr == nil {
			lease = again // somebody else has written it
		}
		if err != nil && ctx.Err() == nil {
			l.log.Debug("kubernetes", "renew the lease", err)
		}
		cancel()
	}
}

// expired tells whether a Lease's holder is dead for sure.
func expired(lease *coordinationv1.Lease, now time.Time) bool {
	if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		return false
	}
	return now.After(lease.Spec.RenewTime.Add(time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second + leaseGrace))
}

// Clean removes what is left of runs whose Lease has run out: the cluster does so by
// itself, if the keeper could begin.
func Clean(ctx context.Context) (removed []string, err error) {
	a, err := api.Load("")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	var jobs batchv1.JobList
	if err := a.Jobs.List(ctx, labelKeeper+"=1", &jobs); err != nil {
		return nil, fmt.Errorf("kubernetes: clean: %w", remedy(err, a.Namespace))
	}
	for i := range jobs.Items {
		job := &jobs.Items[i]
		launch := job.Labels[labelLaunch]
		if !launchOK.MatchString(launch) || job.Name != prefix(launch)+"-"+keeperName {
			continue
		}
		lease, err := a.Leases.Get(ctx, prefix(launch)+"-lease")
		if gone := apierrors.IsNotFound(err) && time.Since(job.CreationTimestamp.Time) > keeperLease+leaseGrace; !gone && (err != nil || !expired(lease, time.Now())) {
			continue
		}
		if _, err := removeAll(ctx, a, launch); err != nil {
			return removed, fmt.Errorf("kubernetes: clean: %w", err)
		}
		removed = append(removed, "pods and job of launch "+launch+" (run "+job.Annotations[labelRun]+")")
	}
	machines, err := a.UncordonDead(ctx)
	return append(removed, machines...), remedy(err, a.Namespace)
}

// Reap removes what is left of a launch whose harness has ended, and tells whether
// there was anything.
func Reap(ctx context.Context, launch string) (found bool, err error) {
	if !launchOK.MatchString(launch) {
		return false, fmt.Errorf("kubernetes: reap: %q is no launch", launch)
	}
	a, err := api.Load("")
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	n, err := removeAll(ctx, a, launch)
	if err != nil {
		return n > 0, fmt.Errorf("kubernetes: reap: %w", err)
	}
	return n > 0, nil
}

// removeAll removes all that bears a launch's label and tells how many there were.
func removeAll(ctx context.Context, a *api.API, launch string) (found int, err error) {
	for {
		var pods corev1.PodList
		var jobs batchv1.JobList
		var leases coordinationv1.LeaseList
		err := errors.Join(
			a.Jobs.List(ctx, selector(launch), &jobs),
			a.Pods.List(ctx, selector(launch), &pods),
			a.Leases.List(ctx, selector(launch), &leases),
		)
		own := prefix(launch) + "-" // a label alone proves nothing: templates hand it on
		pods.Items = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return !strings.HasPrefix(p.Name, own) })
		jobs.Items = slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool { return !strings.HasPrefix(j.Name, own) })
		leases.Items = slices.DeleteFunc(leases.Items, func(l coordinationv1.Lease) bool { return !strings.HasPrefix(l.Name, own) })
		there := len(pods.Items) + len(jobs.Items) + len(leases.Items)
		found = max(found, there)
		if err == nil && there == 0 {
			return found, nil
		}
		if err == nil {
			err = errors.Join(removeEach(ctx, a, pods.Items, jobs.Items, leases.Items)...)
		}
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) {
			return found, remedy(err, a.Namespace)
		}
		if sleep(ctx, removePause) != nil {
			return found, errors.Join(fmt.Errorf("%d objects are still there: %w", there, ctx.Err()), err)
		}
	}
}

// removePause is between two looks at whether all has gone.
const removePause = 100 * time.Millisecond

func removeEach(ctx context.Context, a *api.API, pods []corev1.Pod, jobs []batchv1.Job, leases []coordinationv1.Lease) (errs []error) {
	for i := range jobs {
		errs = append(errs, unlessGone(a.Jobs.Delete(ctx, jobs[i].Name, 0)))
	}
	for i := range pods {
		if pods[i].DeletionTimestamp == nil || pods[i].DeletionGracePeriodSeconds == nil || *pods[i].DeletionGracePeriodSeconds > 0 {
			errs = append(errs, unlessGone(a.Pods.Delete(ctx, pods[i].Name, 0)))
		}
	}
	for i := range leases {
		errs = append(errs, unlessGone(a.Leases.Delete(ctx, leases[i].Name, 0)))
	}
	return errs
}

// unlessGone is an error of a removal; what has gone already needs none.
func unlessGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
