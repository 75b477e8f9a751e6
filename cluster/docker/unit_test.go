package docker

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/cluster"
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
	good := cluster.Spec{Run: "r1", Nodes: []cluster.NodeSpec{{Name: "n1"}, {Name: "n2"}}, Binary: writeELF(t, elf.PT_LOAD)}
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

func lockFile(t *testing.T, held bool) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if held {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			t.Fatal(err)
		}
	}
	return f.Name()
}

func TestLifeIsToldByTheLock(t *testing.T) {
	free := lockFile(t, false)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		name, path string
		want       life
	}{
		{"held", lockFile(t, true), lifeAlive},
		{"free", free, lifeDead},
		{"free, asked again", free, lifeDead},
		{"missing", missing, lifeUnknown},
		{"no name", "", lifeUnknown},
	} {
		if got := lifeOf(c.path); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("asking made the lock file")
	}
	done := make(chan struct{})
	go func() { lifeOf(pipe); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("a pipe blocks")
	}
	if got := lifeOfLabels(map[string]string{labelLock: free, labelBoot: "another boot"}); got != lifeUnknown {
		t.Errorf("a lock of another boot tells %d", got)
	}
	if got := lifeOfLabels(map[string]string{labelLock: free, labelBoot: bootID()}); got != lifeDead {
		t.Errorf("a free lock of this boot tells %d", got)
	}
}

func TestWhatCountsAsDead(t *testing.T) {
	now := time.Unix(10_000, 0)
	old, young := now.Add(-2*youth), now.Add(-youth/2)
	for _, c := range []struct {
		life    life
		state   container.ContainerState
		created time.Time
		want    bool
	}{
		{lifeDead, container.StateRunning, young, true},
		{lifeDead, container.StateCreated, young, true},
		{lifeAlive, container.StateExited, old, false},
		{lifeAlive, container.StateCreated, old, false},
		{lifeUnknown, container.StateRunning, old, false},
		{lifeUnknown, container.StatePaused, old, false},
		{lifeUnknown, container.StateRestarting, old, false},
		{lifeUnknown, container.StateExited, young, true},
		{lifeUnknown, container.StateDead, young, true},
		{lifeUnknown, container.StateCreated, young, false},
		{lifeUnknown, container.StateCreated, old, true},
	} {
		if got := deadContainer(c.life, c.state, c.created, now); got != c.want {
			t.Errorf("life %d, %s, %s old: %t", c.life, c.state, now.Sub(c.created), got)
		}
	}
}
