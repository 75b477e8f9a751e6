package rundir

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// Of several runs the latest that tells counts, of the plan and host that are asked for.
func TestLastTook(t *testing.T) {
	root := t.TempDir()
	made := func(plan, host string, at time.Duration, launch time.Duration) *Dir {
		d, err := Create(root, plan, 1, resultstest.Start.Add(at), "K3F9QZABCDEFGHIJKLMNOPQRST")
		if err != nil {
			t.Fatal(err)
		}
		if launch > 0 {
			if err := d.WriteTook(&Took{Plan: plan, Host: host, Operations: 7, Steps: map[string]time.Duration{"launch": launch}}); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	made("p", "local", 0, 1*time.Second)
	made("p", "local", 1*time.Minute, 2*time.Second)
	made("p", "docker", 2*time.Minute, 3*time.Second)
	made("p-more", "local", 3*time.Minute, 4*time.Second)
	made("p", "local", 4*time.Minute, 0)
	if err := os.WriteFile(made("p", "local", 5*time.Minute, 0).File(TookFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(made("p", "local", 6*time.Minute, 0).File(TookFile), 0o600); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]time.Duration{"local": 2 * time.Second, "docker": 3 * time.Second, "kubernetes": 0} {
		if got := LastTook(root, "p", host); got.Steps["launch"] != want {
			t.Errorf("the launch on %s took %v, want %v", host, got.Steps["launch"], want)
		}
	}
	if got := LastTook(root+"/none", "p", "local"); got.Steps != nil {
		t.Errorf("a folder that is not there tells %v", got)
	}
}
