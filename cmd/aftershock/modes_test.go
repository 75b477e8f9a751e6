package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/history"
	servers "github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// TestModes runs every mode of every real target, with one of its tasks and
// a kill of the primary under load: on docker in the newest version and in the older ones that
// AFTERSHOCK_OLDER names ("all", or words like postgres:15), and on the local
// host in the version that is installed. It takes minutes and the servers, so it
// runs where AFTERSHOCK_TARGETS says so: "all", or the names of targets. With a
// commit in AFTERSHOCK_SAMPLE every second of local's modes is left out, by it, and
// after AFTERSHOCK_UNTIL no further one begins.
func TestModes(t *testing.T) {
	wanted := os.Getenv("AFTERSHOCK_TARGETS")
	if wanted == "" {
		t.Skip("the real targets: run `make test-targets`")
	}
	for _, target := range alltargets.Targets() {
		info := target.Info()
		if wanted != "all" && !slices.Contains(strings.Split(wanted, ","), info.Name) {
			continue
		}
		for _, mode := range info.Modes {
			for i, v := range info.Versions {
				t.Run(fmt.Sprintf("%s/%s/docker/%s", info.Name, mode.Name, v.Number), func(t *testing.T) {
					t.Parallel() // most of a run is waiting; -parallel bounds it
					if i > 0 {
						mustBeChosen(t, v)
					}
					mustHaveTime(t)
					mustHave(t, info, "docker")
					mustBeAble(t, target, mode, v)
					runMode(t, info, mode, "docker", v.Number)
				})
			}
			t.Run(info.Name+"/"+mode.Name+"/local", func(t *testing.T) {
				t.Parallel()
				mustHaveTime(t)
				mustHave(t, info, "local")
				if commit := os.Getenv("AFTERSHOCK_SAMPLE"); commit != "" && crc32.ChecksumIEEE([]byte(commit+t.Name()))%2 == 1 {
					t.Skip("host local: not this commit's turn; `make test-targets VERSIONS=all` runs it")
				}
				runMode(t, info, mode, "local", "")
			})
		}
	}
}

// mustBeChosen skips aloud the older versions that are not this commit's turn.
func mustBeChosen(t *testing.T, v targets.Version) {
	older := os.Getenv("AFTERSHOCK_OLDER")
	if older != "all" && !slices.Contains(strings.Fields(older), strings.TrimPrefix(v.Built, "aftershock/")) {
		t.Skipf("%s: not this commit's turn; `make test-targets VERSIONS=all` runs it", v.Built)
	}
}

// mustHaveTime skips aloud what would begin after AFTERSHOCK_UNTIL, in seconds of Unix
// time: on a slow machine not all can be run. What is asked for by its whole name, as
// one that failed and runs once more, is run.
func mustHaveTime(t *testing.T) {
	t.Helper()
	until := os.Getenv("AFTERSHOCK_UNTIL")
	if until == "" || strings.Contains(flag.Lookup("test.run").Value.String(), "$/") {
		return
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		t.Fatalf("AFTERSHOCK_UNTIL: %v", err)
	}
	if time.Now().Unix() > seconds {
		t.Skip("this machine is so slow that there was no time for it; `make test-targets` runs it")
	}
}

// mustBeAble skips aloud what a version cannot do.
func mustBeAble(t *testing.T, target targets.Target, mode targets.Mode, v targets.Version) {
	number, _ := servers.Find(v.Number)
	_, err := target.Configure(targets.Config{Replicas: mode.Replicas, Options: mode.Options, Version: number, Seed: 1})
	if errors.Is(err, targets.ErrVersion) {
		t.Skip(err)
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

// stood is what a verdict says where nodes did not answer again and again, though no
// fault touched them: the machine had no time for them.
var stood = regexp.MustCompile(`n\d+ did not answer, though no fault of the plan touches its agent, for \S+ at \S+ and \d{2,} more times`)

// runMode runs a short plan in the mode. Whatever the mode promises, the
// verdict must be known: the fault took effect under load, and the settled
// cluster answered every final read. On a machine that stood still for long, it cannot.
func runMode(t *testing.T, info targets.Info, mode targets.Mode, host, version string) {
	plan := filepath.Join(t.TempDir(), "mode.yaml")
	if err := os.WriteFile(plan, []byte(modePlan(info, mode, host, version)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run", plan, "--out", t.TempDir(), "--format", "json")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && strings.Contains(stderr.String(), targets.ErrVersion.Error()) {
		t.Skip(stderr.String()) // the installed one cannot do it
	}
	if why := stood.Find(out); err != nil && cmd.ProcessState.ExitCode() == 2 && why != nil {
		t.Skipf("the machine stood still, so that nothing can be known: %s", why)
	}
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

// modeTask is one of the target's tasks, another in each mode; empty where there is
// none, or nobody that it needs.
func modeTask(info targets.Info, mode targets.Mode) string {
	if len(info.Tasks) == 0 || mode.Replicas == 0 || mode.Options["num_replicas"] == "1" {
		return ""
	}
	at := slices.IndexFunc(info.Modes, func(m targets.Mode) bool { return m.Name == mode.Name })
	return info.Name + "." + info.Tasks[at%len(info.Tasks)].Name
}

func modePlan(info targets.Info, mode targets.Mode, host, version string) string {
	kinds := mode.Kinds
	if kinds == nil {
		kinds = info.Kinds
	}
	has := func(k ...history.Kind) bool {
		return !slices.ContainsFunc(k, func(k history.Kind) bool { return !slices.Contains(kinds, k) })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s-%s\nseed: 1\nhost: %s\n", info.Name, mode.Name, host)
	fmt.Fprintf(&b, "target:\n  name: %s\n  version: %q\n  replicas: %d\n  failover: {after: 1s, choose: most-advanced}\n  options:\n", info.Name, version, mode.Replicas)
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
		fmt.Fprintf(&b, "  - {name: register, keys: 128, mix: %s, read_from: primary, clients: 4, rate: 200/s}\n", mix)
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
	b.WriteString("warmup: 500ms\nduration: 5s\nfaults:\n")
	if task := modeTask(info, mode); task != "" {
		fmt.Fprintf(&b, "  - {at: 300ms, do: %s}\n", task)
	}
	b.WriteString("  - {at: 1s, kill: primary, for: 2s}\nsettle: 2m\ngates: {min_ops: 20}\nclaims:\n")
	for _, c := range claims {
		fmt.Fprintf(&b, "  - %s\n", c)
	}
	return b.String()
}
