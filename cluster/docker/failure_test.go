package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

func TestAnAgentThatEndsIsToldAtOnceAndNothingIsLeft(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 2)
	spec.Lease = time.Nanosecond // an agent refuses to live so short
	_, err := New(nil).Launch(t.Context(), spec)
	if err == nil {
		t.Fatal("launched")
	}
	for _, word := range []string{"node n", "exit code 1", "too short"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not tell %q", err, word)
		}
	}
	if strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("the exit was not noticed: %v", err)
	}
	if l := left(t, eng, spec.Run); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}

func TestACancelledLaunchLeavesNothing(t *testing.T) {
	eng := needEngine(t)
	for _, after := range []time.Duration{time.Millisecond, 60 * time.Millisecond, 250 * time.Millisecond} {
		spec := newSpec(t, 2)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		c, err := New(nil).Launch(ctx, spec)
		cancel()
		if err == nil { // a fast machine; then it is a launch like any other
			err = c.Close(context.Background())
			if err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %s: %v", after, err)
		}
		if l := left(t, eng, spec.Run); len(l) != 0 {
			t.Errorf("cancelled after %s, left behind: %v", after, l)
		}
	}
}

func TestASecondLaunchOfARunSparesTheFirst(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 1)
	launchTest(t, spec)
	before := left(t, eng, spec.Run)
	spec.Launch = rand.Text()
	if _, err := New(nil).Launch(t.Context(), spec); err == nil {
		t.Fatal("one run was launched twice")
	}
	if after := left(t, eng, spec.Run); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("of %v there is %v", before, after)
	}
}

func TestAHungNodeIsRemovedInTime(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 1)
	c := launchTest(t, spec)
	name := "aftershock-" + spec.Run + "-n1"
	if _, err := eng.api.ContainerPause(t.Context(), name, client.ContainerPauseOptions{}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if l := left(t, eng, spec.Run); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}

func TestRunsLaunchSideBySide(t *testing.T) {
	needEngine(t)
	var wg sync.WaitGroup
	var clusters [2]cluster.Cluster
	for i := range clusters {
		spec := newSpec(t, 1)
		wg.Go(func() {
			c, err := New(nil).Launch(t.Context(), spec)
			if err != nil {
				t.Errorf("launch: %v", err)
				return
			}
			clusters[i] = c
		})
	}
	wg.Wait()
	addrs := map[string]bool{}
	for _, c := range clusters {
		if c == nil {
			continue
		}
		addrs[c.Nodes()[0].Addr.String()] = true
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if len(addrs) != len(clusters) {
		t.Errorf("addresses %v", addrs)
	}
}

func TestATakenSubnetIsPassedBy(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 1)
	first := subnets(spec.Launch)[0]
	mark, err := owner.New(spec.LockFile)
	if err != nil {
		t.Fatal(err)
	}
	labels := identity{run: spec.Run, launch: spec.Launch, mark: mark}.labels()
	taken, err := eng.api.NetworkCreate(t.Context(), "aftershock-test-other-"+spec.Run, client.NetworkCreateOptions{
		Driver: "bridge", IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: first}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := eng.removeAll(context.Background(), spec.Launch); err != nil {
			t.Error(err)
		}
		if err := eng.removeNetwork(context.Background(), taken.ID); err != nil {
			t.Error(err)
		}
	})
	if !overlapsAny(first, routedPrefixes()) {
		t.Errorf("%s is not among the routes %v", first, routedPrefixes())
	}
	p, _, err := eng.provider(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// With no knowledge of routes it is the engine that refuses.
	got, _, err := makeNetwork(t.Context(), p, "aftershock-"+spec.Run, spec.Launch, labels, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got == first || got.Overlaps(first) {
		t.Errorf("got the taken subnet %s", got)
	}
}

func BenchmarkLaunch3(b *testing.B) {
	needEngine(b)
	h := New(nil)
	warm := newSpec(b, 1)
	c, err := h.Launch(b.Context(), warm) // builds the image
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	var closing time.Duration
	for b.Loop() {
		c, err := h.Launch(b.Context(), newSpec(b, 3))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		begin := time.Now()
		if err := c.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		closing += time.Since(begin)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "launch-ms")
	b.ReportMetric(float64(closing.Milliseconds())/float64(b.N), "close-ms")
}
