package main

import (
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

// TestMembers runs the shipped plans in which nodes join, leave and are replaced, on the
// local host, where TestModes is asked for: the claims hold, without the controls. With a
// commit in AFTERSHOCK_SAMPLE two of three are left out, by it.
func TestMembers(t *testing.T) {
	wanted := os.Getenv("AFTERSHOCK_TARGETS")
	if wanted == "" {
		t.Skip("the real targets: run `make test-targets`")
	}
	plans, err := filepath.Glob("../../plans/members/*.yaml")
	if err != nil || len(plans) == 0 {
		t.Fatal("no plans", err)
	}
	known := alltargets.Targets()
	for _, plan := range plans {
		name := strings.TrimSuffix(filepath.Base(plan), ".yaml")
		if wanted != "all" && !slices.Contains(strings.Split(wanted, ","), name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustHaveTime(t)
			if commit := os.Getenv("AFTERSHOCK_SAMPLE"); commit != "" && crc32.ChecksumIEEE([]byte(commit+t.Name()))%3 != 0 {
				t.Skip("not this commit's turn; `make test-targets VERSIONS=all` runs it")
			}
			for _, target := range known {
				if info := target.Info(); info.Name == name {
					mustHave(t, info, "local")
				}
			}
			// Where the machine stood still nothing is decided, and it is made once more.
			cmd := exec.Command(binary, "run", plan, "--host", "local", "--no-control", "--retry-unknown", "1", "--out", t.TempDir())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}
