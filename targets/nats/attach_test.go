package nats

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/attachtest"
)

const appPassword = "s3cret-of-the-app"

// deployment is three servers that somebody else runs: TLS, users with a password, an
// account of their own.
type deployment struct {
	pool    *x509.CertPool
	nodes   []*cluster.Node
	running []*exec.Cmd
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	path, err := kit.Find(program)
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	d := &deployment{}
	d.pool, _ = attachtest.Certificates(t, dir, "app")
	var routes []string
	var ports []int
	for i := range 3 {
		d.nodes = append(d.nodes, &cluster.Node{Name: fmt.Sprintf("db%d", i+1), Index: i, Addr: netip.MustParseAddr("127.0.0.1"), Port: attachtest.FreePort(t)})
		ports = append(ports, attachtest.FreePort(t))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
	}
	for i, n := range d.nodes {
		conf := fmt.Sprintf(`server_name: %[1]s
listen: "127.0.0.1:%[2]d"
tls { cert_file: "%[3]s/server.crt", key_file: "%[3]s/server.key" }
jetstream { store_dir: "%[3]s/%[1]s" }
cluster { name: shop, listen: "127.0.0.1:%[4]d", routes: [%[5]s] }
accounts {
  SHOP { jetstream: enabled, users: [ {user: app, password: %[6]q} ] }
  BARE { users: [ {user: bare, password: bare} ] }
  $SYS { users: [ {user: admin, password: admin} ] }
}
`, n.Name, n.Port, dir, ports[i], `"`+strings.Join(routes, `", "`)+`"`, appPassword)
		file := filepath.Join(dir, n.Name+".conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		cmd := exec.Command(path, "--config", file)
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		d.running = append(d.running, cmd)
		t.Cleanup(func() {
			d.kill(i)
			if t.Failed() {
				t.Logf("%s:\n%s", n.Name, log.String())
			}
		})
	}
	return d
}

func (d *deployment) kill(i int) {
	if cmd := d.running[i]; cmd != nil {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		d.running[i] = nil
	}
}

func (d *deployment) access() targets.Access {
	return targets.Access{User: "app", Password: appPassword, TLS: &tls.Config{RootCAs: d.pool, ServerName: attachtest.ServerName}}
}

func attach(t *testing.T, a targets.Access, objects string) *Attached {
	t.Helper()
	s, err := Target{}.Attach(targets.AttachConfig{Config: targets.Config{Replicas: 2, Options: map[string]string{optAllowDirect: wordFalse}}, Access: a, Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.(*Attached).Close() })
	return s.(*Attached)
}

// formed makes a run's streams; servers that have just been started may not have met yet.
func formed(t *testing.T, ctx context.Context, s *Attached, nodes []*cluster.Node) {
	t.Helper()
	if err := kit.Retry(ctx, 100*time.Millisecond, "form", func() error { return s.Form(ctx, nodes) }); err != nil {
		t.Fatal(err)
	}
}

// TestAttach: a run's way through a deployment of somebody else's, which it leaves as it was.
func TestAttach(t *testing.T) {
	d := deploy(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := attach(t, d.access(), "aftershock_mine")
	formed(t, ctx, s, d.nodes)
	primary := -1
	for i, n := range d.nodes {
		st, err := s.ClientStatus(ctx, n)
		if err != nil || !st.Healthy {
			t.Errorf("%s: %+v, %v", n.Name, st, err)
		}
		if st.Role == targets.Primary {
			primary = i
		}
		if v, err := s.Version(ctx, n); err != nil || !strings.HasPrefix(v, "2.") {
			t.Errorf("%s has the version %q, %v", n.Name, v, err)
		}
	}
	if primary < 0 {
		t.Fatal("nobody is the primary")
	}
	c, err := s.Connect(ctx, d.nodes[(primary+1)%3], targets.ClientOptions{ConnectTimeout: 2 * time.Second, OpTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	do := func(op history.Op) history.Op {
		t.Helper()
		if c.Do(ctx, &op); op.Outcome != history.OK {
			t.Errorf("%s: %s %s", op.Kind, op.Outcome, op.Error)
		}
		return op
	}
	do(history.Op{Kind: history.Write, Value: 5})
	if op := do(history.Op{Kind: history.Read}); op.Value != 5 {
		t.Errorf("read %d", op.Value)
	}
	do(history.Op{Kind: history.Enqueue, Workload: 1, Value: 7})
	if op := do(history.Op{Kind: history.Dequeue, Workload: 1}); op.Value != 7 {
		t.Errorf("dequeued %d", op.Value)
	}
	door := targets.Door{Kind: name, Addrs: []string{attachtest.Forwarder(t, kit.ServerAddress(d.nodes[2], clientPort))}}
	through, node, err := s.Enter(ctx, door, d.nodes, targets.ClientOptions{ConnectTimeout: 2 * time.Second})
	if err != nil || node != 2 {
		t.Errorf("the door leads to %d, %v", node, err)
	} else {
		_ = through.Close()
	}
	settings, err := s.Settings(ctx, d.nodes[0])
	if err != nil || !slices.ContainsFunc(settings, func(s targets.Setting) bool {
		return s.Name == "sync_interval" && strings.Contains(s.Value, "not told")
	}) {
		t.Errorf("settings %+v, %v", settings, err)
	}
	other := attach(t, d.access(), "aftershock_other")
	if left, err := other.Left(ctx, d.nodes); err != nil || !slices.Equal(left, []string{"aftershock_mine"}) {
		t.Errorf("left %q, %v", left, err)
	}
	if err := attach(t, d.access(), "aftershock_mine").Form(ctx, d.nodes); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second run of the name: %v", err)
	}
	d.kill(primary) // the others go on, and remove what there is
	if err := s.Remove(ctx, d.nodes); err != nil {
		t.Error(err)
	}
	left := append(slices.Clone(d.nodes[:primary]), d.nodes[primary+1:]...)
	if names, err := other.Left(ctx, left); err != nil || len(names) > 0 {
		t.Errorf("left %q, %v", names, err)
	}
}

// TestAttachRefuses: each mistake is told, before anything is made.
func TestAttachRefuses(t *testing.T) {
	d := deploy(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	formed(t, ctx, attach(t, d.access(), "aftershock_first"), d.nodes) // they have met
	wrong, bare, clear := d.access(), d.access(), d.access()
	wrong.Password, bare.User, bare.Password, clear.TLS = "guessed", "bare", "bare", nil
	for _, c := range []struct {
		access targets.Access
		want   string
	}{
		{wrong, "correct user and password"},
		{bare, "JetStream"},
		{clear, "db"},
	} {
		s := attach(t, c.access, "aftershock_none")
		err := s.Form(ctx, d.nodes)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "guessed") {
			t.Errorf("%v; want %q", err, c.want)
		}
		if err := s.Remove(ctx, d.nodes); err != nil {
			t.Errorf("nothing was made, and removing it: %v", err)
		}
	}
	if left, err := attach(t, d.access(), "aftershock_x").Left(ctx, d.nodes); err != nil || !slices.Equal(left, []string{"aftershock_first"}) {
		t.Errorf("left %q, %v", left, err)
	}
	d.kill(1)
	if err := attach(t, d.access(), "aftershock_late").Form(ctx, d.nodes); err == nil || !strings.Contains(err.Error(), "db2") {
		t.Errorf("with a dead server: %v", err)
	}
	for name, change := range map[string]func(*targets.AttachConfig){
		"database": func(c *targets.AttachConfig) { c.Access.Database = "shop" },
		"nats://host": func(c *targets.AttachConfig) {
			c.Access.Doors = []targets.Door{{Kind: "redis", Addrs: []string{"a:1"}}}
		},
		"sync_interval": func(c *targets.AttachConfig) { c.Options = map[string]string{optSyncInterval: wordAlways} },
	} {
		c := targets.AttachConfig{Config: targets.Config{Replicas: 2}, Objects: "aftershock_x"}
		if change(&c); true {
			if _, err := (Target{}).Attach(c); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
