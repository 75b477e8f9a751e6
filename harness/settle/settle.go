// Package settle waits until a healed cluster is healthy again.
package settle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

const (
	settleEvery   = 25 * time.Millisecond // the pace of the health checks after the faults
	statusTimeout = 300 * time.Millisecond
)

// Settlement is what came of the wait for a settled cluster.
type Settlement struct {
	Missing string   // in the end; empty: settled
	Since   int64    // the begin of the last look at which something was missing; 0: at none
	Said    []string // what each node said of itself at the last look
	Gone    bool     // every node answered then, and all that was missing is what holds the data
}

// Wait waits until the healed cluster is healthy, at most for the limit.
func Wait(ctx context.Context, system targets.System, nodes []*cluster.Node, clock history.Clock, limit time.Duration) Settlement {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	s := Settlement{Missing: "not asked yet"}
	for {
		looked := clock.Now()
		now := unhealthy(ctx, system, nodes)
		if now.Missing == "" {
			s.Missing = ""
			return s
		}
		if ctx.Err() == nil {
			s, s.Since = now, looked
		}
		select {
		case <-ctx.Done():
			return s
		case <-tick.C:
		}
	}
}

// unhealthy asks every node and says what is still missing for a settled
// cluster: one primary in the newest epoch, every other node following it and
// caught up.
func unhealthy(ctx context.Context, system targets.System, nodes []*cluster.Node) Settlement {
	n := len(nodes)
	status := make([]targets.Status, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			status[i], errs[i] = system.Status(bounded, nodes[i])
		})
	}
	wg.Wait()
	result := Settlement{Missing: judgeStatus(nodes, status, errs), Said: make([]string, n)}
	for i, s := range status {
		result.Said[i] = strings.TrimSpace(fmt.Sprintf("%s says that it is %s %s", nodes[i].Name, cmp.Or(string(s.Role), "nothing"), s.Detail))
		if errs[i] != nil {
			result.Said[i] = fmt.Sprintf("%s does not answer: %v", nodes[i].Name, errs[i])
		}
	}
	result.Gone = !slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, targets.ErrGone) })
	return result
}

// judgeStatus says what the answers of all nodes lack of a settled cluster.
func judgeStatus(nodes []*cluster.Node, status []targets.Status, errs []error) string {
	var epoch, position uint64
	primary, peers := -1, false
	for i, s := range status {
		if errs[i] != nil {
			return fmt.Sprintf("%s does not answer: %v", nodes[i].Name, errs[i])
		}
		peers = peers || s.Role == targets.Peer
		epoch = max(epoch, s.Epoch)
		if s.Role == targets.Primary {
			if primary >= 0 {
				return fmt.Sprintf("both %s and %s are primary", nodes[primary].Name, nodes[i].Name)
			}
			primary, position = i, s.Position
		}
	}
	if primary < 0 && !peers {
		return "no node is primary"
	}
	for i, s := range status {
		if !s.Healthy || s.Epoch != epoch || s.Position < position {
			return fmt.Sprintf("%s is not caught up: %s", nodes[i].Name, s.Detail)
		}
	}
	return ""
}
