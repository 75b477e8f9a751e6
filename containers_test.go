package aftershock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// TestNoContainers: a test that hands none over does not get another cluster judged.
func TestNoContainers(t *testing.T) {
	_, err := aftershock.Run(t.Context(), &aftershock.Plan{
		Name: "none", Target: aftershock.Target{Name: "redis", Attach: aftershock.Containers()},
		Workloads: []workloads.Spec{{Type: "register"}}, Claims: []string{"writes.lost == 0"},
	}, aftershock.Options{RunsDir: t.TempDir()})
	if !errors.Is(err, aftershock.ErrInput) || !strings.Contains(err.Error(), "attach names no node") {
		t.Error(err)
	}
}
