package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// TestModes runs every mode of every real target on every host, with a kill of
// the primary under load. It takes minutes and the servers, so it runs where
// AFTERSHOCK_TARGETS says so: "all", or the names of targets.
func TestModes(t *testing.T) {
	wanted := os.Getenv("AFTERSHOCK_TARGETS")
	if wanted == "" {
		t.Skip("the real targets: run `make test-targets`")
	}
	for _, target := range aftershock.Targets() {
		info := target.Info()
		if wanted != "all" && !slices.Contains(strings.Split(wanted, ","), info.Name) {
			continue
		}
		for _, mode := range info.Modes {
			for _, host := range []string{"docker", "local"} {
				t.Run(info.Name+"/"+mode.Name+"/"+host, func(t *testing.T) {
					t.Parallel() // most of a run is waiting; -parallel bounds it
					mustHave(t, info, host)
					runMode(t, info, mode, host)
				})
			}
		}
	}
}

// mustHave skips by name what cannot run here.
func mustHave(t *testing.T, info targets.Info, host string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if host == "docker" {
		if err := docker.Available(ctx); err != nil {
			t.Skipf("host docker: %v", err)
		}
		return
	}
	if err := local.Available(ctx); err != nil {
		t.Skipf("host local: %v", err)
	}
	for _, s := range info.Servers {
		if _, err := kit.Find(s); err != nil {
			t.Skipf("host local: %v", err)
		}
	}
}

// runMode runs a short plan in the mode. Whatever the mode promises, the
// verdict must be known: the fault took effect under load, and the settled
// cluster answered every final read.
func runMode(t *testing.T, info targets.Info, mode targets.Mode, host string) {
	plan := filepath.Join(t.TempDir(), "mode.yaml")
	if err := os.WriteFile(plan, []byte(modePlan(info, mode, host)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run", plan, "--out", t.TempDir(), "--format", "json")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr.String())
	}
	var verdict json.RawMessage
	if err := json.Unmarshal(out, &verdict); err != nil {
		t.Errorf("the verdict is no JSON: %v: %.200s", err, out)
	}
	for line := range strings.SplitSeq(stderr.String(), "\n") {
		if strings.Contains(line, "cluster formed") {
			t.Log(line)
		}
	}
}

func modePlan(info targets.Info, mode targets.Mode, host string) string {
	kinds := mode.Kinds
	if kinds == nil {
		kinds = info.Kinds
	}
	has := func(k ...history.Kind) bool {
		return !slices.ContainsFunc(k, func(k history.Kind) bool { return !slices.Contains(kinds, k) })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s-%s\nseed: 1\nhost: %s\n", info.Name, mode.Name, host)
	fmt.Fprintf(&b, "target:\n  name: %s\n  replicas: %d\n  failover: {after: 1s, choose: most-advanced}\n  options:\n", info.Name, mode.Replicas)
	for name, value := range mode.Options {
		fmt.Fprintf(&b, "    %s: %q\n", name, value)
	}
	if len(mode.Options) == 0 {
		b.WriteString("    {}\n")
	}
	b.WriteString("workloads:\n")
	var claims []string
	if has(history.Read, history.Write) {
		mix := "{read: 50, write: 50}"
		if has(history.CAS) {
			mix = "{read: 45, write: 45, cas: 10}"
		}
		fmt.Fprintf(&b, "  - {name: register, keys: 32, mix: %s, read_from: primary, clients: 4, rate: 200/s}\n", mix)
		claims = append(claims, "writes.lost >= 0")
	}
	if has(history.Add, history.ReadSet) {
		b.WriteString("  - {name: set, keys: 2, mix: {add: 90, read: 10}, clients: 2, rate: 50/s}\n")
		claims = append(claims, "set.lost >= 0")
	}
	if has(history.Enqueue, history.Dequeue, history.Drain) {
		b.WriteString("  - {name: queue, clients: 4, rate: 100/s}\n")
		claims = append(claims, "queue.lost >= 0")
	}
	if has(history.Txn) {
		b.WriteString("  - {name: append, keys: 16, clients: 2, rate: 30/s}\n")
		claims = append(claims, "append.txns > 0")
	}
	if has(history.Mark, history.Poll) && mode.Replicas > 0 {
		b.WriteString("  - {name: lag, every: 50ms}\n")
	}
	b.WriteString("warmup: 500ms\nduration: 5s\nfaults:\n  - {at: 1s, kill: primary, for: 2s}\nsettle: 60s\ngates: {min_ops: 20}\nclaims:\n")
	for _, c := range claims {
		fmt.Fprintf(&b, "  - %s\n", c)
	}
	return b.String()
}
