package victim

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func TestInUnit(t *testing.T) {
	for groups, unit := range map[string]string{
		"0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n": "postgresql@15-main",
		"1:name=systemd:/system.slice/redis-server.service\n2:cpu:/x\n":         "redis-server.service",
		"0::/system.slice/docker.service/payload\n":                             "docker",
	} {
		if !inUnit(groups, unit) || inUnit(groups, "postgresql") || inUnit(groups, "redis") {
			t.Errorf("%s in %q", unit, groups)
		}
	}
	if inUnit("2:cpu:/system.slice/a.service\n", "a") {
		t.Error("another hierarchy than systemd's counts")
	}
}

func TestListening(t *testing.T) {
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 4242 1 0 100 0 0 10 0
   1: 0100007F:1538 0100007F:A000 01 00000000:00000000 00:00000000 00000000   104        0 4343 1 0 100 0 0 10 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1 0 100 0 0 10 0
`
	got := map[string]bool{}
	addListening(strings.NewReader(table), 5432, got)
	if len(got) != 1 || !got["socket:[4242]"] {
		t.Error(got)
	}
}

// TestServer: a program with what it has started is hit, and nothing beside it.
func TestServer(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	text, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	program := dir + "/aftershock-db"
	if err := os.WriteFile(program, text, 0o700); err != nil {
		t.Fatal(err)
	}
	aside := exec.Command("sleep", "60")
	server := exec.Command(program, "-c", "sleep 61 & sleep 62; true")
	for _, c := range []*exec.Cmd{aside, server} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	}
	p := NewOf(Server{Process: "aftershock-db"})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if list, err := p.find(""); err == nil && len(list) == 3 {
			break
		}
		if time.Now().After(deadline) {
			list, err := p.find("")
			t.Fatal(list, err)
		}
	}
	if pid, _, ok := p.Leader(); !ok || pid != server.Process.Pid {
		t.Errorf("the leader is %d, %t, and not %d", pid, ok, server.Process.Pid)
	}
	go server.Wait() //nolint:errcheck // killed below
	if e, err := p.Crash(cluster.Action{ID: "c"}); err != nil || !e.Changed {
		t.Fatalf("%+v %v", e, err)
	}
	if _, _, ok := p.Leader(); ok {
		t.Error("it is still there")
	}
	if now, ok := look(aside.Process.Pid); !ok {
		t.Errorf("what was beside it is gone: %+v", now)
	}
	if e, err := p.Crash(cluster.Action{ID: "c"}); err != nil || e.Changed {
		t.Errorf("again: %+v %v", e, err)
	}
}
