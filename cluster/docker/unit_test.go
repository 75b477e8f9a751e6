package docker

import (
	"bytes"
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

func TestSubnetsAreStableDistinctAndInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := rapid.String().Draw(t, "run")
		list := subnets(run)
		if !slices.Equal(list, subnets(run)) {
			t.Fatal("one run got two lists")
		}
		if len(list) != maxSubnets {
			t.Fatalf("%d subnets", len(list))
		}
		seen := map[netip.Prefix]bool{}
		for _, s := range list {
			if s.Bits() != 24 || s.Masked() != s || !subnetRange.Contains(s.Addr()) || seen[s] {
				t.Fatalf("bad subnet %s in %v", s, list)
			}
			seen[s] = true
		}
	})
	if slices.Equal(subnets("a")[:3], subnets("b")[:3]) {
		t.Error("two runs begin with the same subnets")
	}
}

func TestAddressesFitTheSubnet(t *testing.T) {
	subnet := netip.MustParsePrefix("10.210.7.0/24")
	if got := gatewayAddr(subnet); got != netip.MustParseAddr("10.210.7.1") {
		t.Errorf("gateway %s", got)
	}
	seen := map[netip.Addr]bool{gatewayAddr(subnet): true, netip.MustParseAddr("10.210.7.255"): true}
	for i := range maxNodes {
		a := nodeAddr(subnet, i)
		if !subnet.Contains(a) || seen[a] {
			t.Fatalf("node %d has %s", i, a)
		}
		seen[a] = true
	}
}

// writeELF writes the smallest ELF file with one program header.
func writeELF(t *testing.T, kind elf.ProgType) string {
	t.Helper()
	var buf bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	for _, v := range []any{h, elf.Prog64{Type: uint32(kind)}} {
		if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(path, buf.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyStaticBinariesAreTaken(t *testing.T) {
	if err := checkStatic(writeELF(t, elf.PT_LOAD)); err != nil {
		t.Errorf("static binary refused: %v", err)
	}
	err := checkStatic(writeELF(t, elf.PT_INTERP))
	if !errors.Is(err, errDynamic) || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("dynamic binary: %v", err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkStatic(script); err == nil {
		t.Error("a script was taken for a binary")
	}
}

func TestTagFollowsTheContent(t *testing.T) {
	cache := newHashCache()
	path := filepath.Join(t.TempDir(), "b")
	at := time.Unix(1000, 0)
	tag := func(content string, mtime time.Time) string {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, mtime, mtime); err != nil {
			t.Fatal(err)
		}
		s, err := cache.of(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := tag("one", at)
	if len(one) != 16 {
		t.Errorf("tag %q", one)
	}
	two := tag("two", at.Add(time.Second))
	if one == two {
		t.Error("two contents, one tag")
	}
	if again := tag("one", at.Add(2*time.Second)); again != one {
		t.Errorf("one content, two tags: %s, %s", one, again)
	}
	if _, err := cache.of(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing binary has a tag")
	}
}

func TestSpecIsChecked(t *testing.T) {
	good := cluster.Spec{Run: "r1", LockFile: "/x/r1/.lock", Nodes: []cluster.NodeSpec{{Name: "n1"}, {Name: "n2"}}, Binary: writeELF(t, elf.PT_LOAD)}
	if err := checkSpec(good); err != nil {
		t.Fatalf("good spec: %v", err)
	}
	for name, change := range map[string]func(*cluster.Spec){
		"no run":        func(s *cluster.Spec) { s.Run = "" },
		"run with path": func(s *cluster.Spec) { s.Run = "../x" },
		"no nodes":      func(s *cluster.Spec) { s.Nodes = nil },
		"many nodes":    func(s *cluster.Spec) { s.Nodes = make([]cluster.NodeSpec, maxNodes+1) },
		"node name":     func(s *cluster.Spec) { s.Nodes = []cluster.NodeSpec{{Name: "n_1"}} },
		"twice":         func(s *cluster.Spec) { s.Nodes = []cluster.NodeSpec{{Name: "n1"}, {Name: "n1"}} },
		"launch":        func(s *cluster.Spec) { s.Launch = "x" },
		"lock":          func(s *cluster.Spec) { s.LockFile = "/x/r2/.lock" },
		"no lock":       func(s *cluster.Spec) { s.LockFile = "" },
		"lease":         func(s *cluster.Spec) { s.Lease = -1 },
		"no binary":     func(s *cluster.Spec) { s.Binary = "/does/not/exist" },
		"dynamic":       func(s *cluster.Spec) { s.Binary = writeELF(t, elf.PT_INTERP) },
	} {
		s := good
		change(&s)
		if err := checkSpec(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// heldLock makes a run's lock, which the test holds until it closes it.
func heldLock(t testing.TB, run, launch string) *os.File {
	t.Helper()
	dir := filepath.Join(t.TempDir(), run)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := owner.Lock(filepath.Join(dir, ".lock"), launch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestNameLabelsAndLockHaveToAgree(t *testing.T) {
	launch := rand.Text()
	mark, err := owner.New(heldLock(t, "r1", launch).Name())
	if err != nil {
		t.Fatal(err)
	}
	id := identity{run: "r1", launch: launch, mark: mark}
	if got, ok := identify("aftershock-r1", id.labels()); !ok || got != id {
		t.Errorf("a network: %+v, %t", got, ok)
	}
	node := id.labels()
	node[labelNode] = "n1"
	for _, names := range [][]string{{"/aftershock-r1-n1"}, {"/other/alias", "/aftershock-r1-n1"}} {
		if got, ok := identifyContainer(container.Summary{Names: names, Labels: node}); !ok || got != id {
			t.Errorf("a container: %+v, %t", got, ok)
		}
	}
	elsewhere := mark
	elsewhere.Lock = "/tmp/.lock"
	for name, change := range map[string]func(name *string, labels map[string]string){
		"another name":        func(name *string, _ map[string]string) { *name = "my-database" },
		"a name by chance":    func(name *string, _ map[string]string) { *name = "eager_einstein" },
		"another node's name": func(name *string, _ map[string]string) { *name = "aftershock-r1-n2" },
		"a longer name":       func(name *string, _ map[string]string) { *name += "x" },
		"another run":         func(_ *string, l map[string]string) { l[labelRun] = "r2" },
		"no run":              func(_ *string, l map[string]string) { delete(l, labelRun) },
		"no launch":           func(_ *string, l map[string]string) { delete(l, labelLaunch) },
		"a launch of another": func(_ *string, l map[string]string) { l[labelLaunch] = "x" },
		"no owner":            func(_ *string, l map[string]string) { delete(l, labelOwner) },
		"half an owner":       func(_ *string, l map[string]string) { l[labelOwner] = "{}" },
		"another lock":        func(_ *string, l map[string]string) { l[labelLock] = "/tmp/r1/.lock" },
		"no lock":             func(_ *string, l map[string]string) { delete(l, labelLock) },
		"another boot":        func(_ *string, l map[string]string) { l[labelBoot] = "x" },
		"a lock elsewhere":    func(_ *string, l map[string]string) { l[labelLock], l[labelOwner] = elsewhere.Lock, elsewhere.String() },
	} {
		called, labels := "aftershock-r1-n1", maps.Clone(node)
		change(&called, labels)
		if _, ok := identify(called, labels); ok {
			t.Errorf("%s: taken for ours", name)
		}
	}
	if _, ok := identifyContainer(container.Summary{Names: []string{"/aftershock-r1"}, Labels: id.labels()}); ok {
		t.Error("a container without a node's label was taken for ours")
	}
}

func TestWhatCountsAsDead(t *testing.T) {
	now := time.Unix(10_000, 0)
	old, young := now.Add(-2*launchTime), now.Add(-launchTime/2)
	for _, c := range []struct {
		life    owner.Life
		state   container.ContainerState
		created time.Time
		want    bool
	}{
		{owner.Dead, container.StateRunning, young, true},
		{owner.Dead, container.StateCreated, young, true},
		{owner.Gone, container.StateRunning, old, false},
		{owner.Gone, container.StatePaused, old, false},
		{owner.Gone, container.StateCreated, young, true},
		{owner.Gone, container.StateExited, young, true},
		{owner.Foreign, container.StateExited, old, false},
		{owner.Foreign, container.StateRunning, old, false},
		{owner.Foreign, container.StateCreated, old, false},
		{owner.Alive, container.StateExited, old, false},
		{owner.Alive, container.StateCreated, old, false},
		{owner.Unknown, container.StateRunning, old, false},
		{owner.Unknown, container.StatePaused, old, false},
		{owner.Unknown, container.StateRestarting, old, false},
		{owner.Unknown, container.StateExited, young, true},
		{owner.Unknown, container.StateDead, young, true},
		{owner.Unknown, container.StateCreated, young, false},
		{owner.Unknown, container.StateCreated, old, true},
	} {
		if got := deadContainer(c.life, c.state, c.created, now); got != c.want {
			t.Errorf("life %d, %s, %s old: %t", c.life, c.state, now.Sub(c.created), got)
		}
	}
}

func TestARemovalThatTheEngineRefusesIsTriedAgain(t *testing.T) {
	refusals := []error{
		errors.New("Could not kill running container 1, cannot remove - Container 1 is not running"),
		errors.New("removal of container 1 is already in progress"),
	}
	calls := 0
	err := retryRemoval(t.Context(), "container 1", func() error {
		calls++
		if calls <= len(refusals) {
			return refusals[calls-1]
		}
		return nil
	})
	if err != nil || calls != len(refusals)+1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
	if err := retryRemoval(t.Context(), "container 1", func() error { return errdefs.ErrNotFound }); err != nil {
		t.Errorf("a container that is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	refused := errors.New("no")
	if err := retryRemoval(ctx, "container 1", func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("a removal that was refused until the end: %v", err)
	}
}

// TestOtherImages: a node that has them shares its data directory as a volume, and its agent
// knows their names; what cannot be made is refused.
func TestOtherImages(t *testing.T) {
	node := cluster.NodeSpec{Name: "n1", Image: "a", Others: map[string]string{"17.2": "b", "16": "c"}}
	env := map[string]string{}
	var config container.Config
	withOthers(node, env, func(c *container.Config) { c.Image = "a" })(&config)
	if _, shared := config.Volumes[dataDir]; !shared || config.Image != "a" || env[agent.EnvOthers] != "16,17.2" {
		t.Errorf("%+v, %v", config, env)
	}
	config, env = container.Config{}, map[string]string{}
	withOthers(cluster.NodeSpec{Name: "n1", Image: "a"}, env, func(*container.Config) {})(&config)
	if len(config.Volumes)+len(env) > 0 {
		t.Errorf("a node of one image: %+v, %v", config, env)
	}
	if err := checkOthers(node, cluster.Needs{}); err != nil {
		t.Error(err)
	}
	for want, bad := range map[string]cluster.NodeSpec{
		"is no name":         {Name: "n1", Image: "a", Others: map[string]string{"../x": "b"}},
		"have to be named":   {Name: "n1", Image: "a", Others: map[string]string{"16": ""}},
		"its other images":   {Name: "n1", Others: map[string]string{"16": "b"}},
		"leave out what nee": node,
	} {
		needs := cluster.Needs{}
		if strings.HasPrefix(want, "leave") {
			needs.Volume = &cluster.Volume{}
		}
		if err := checkOthers(bad, needs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", bad, err, want)
		}
	}
}
