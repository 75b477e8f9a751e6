package register

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// TestFollowerForgets: registers whose open values outgrow the memory are given up.
func TestFollowerForgets(t *testing.T) {
	in := inputOf(&history.Log{Meta: history.Meta{Nodes: []string{"n"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: registerType, Keys: 1, Workers: 1}}}})
	in.Memory = 32 << 20
	f := follow(in).(*follower)
	for i := range int64(lookEvery + 10) {
		op := write(i+1, i, i, unknown)
		f.Add(&op)
	}
	if f.open() > 0 {
		t.Errorf("%d bytes are open", f.open())
	}
}
