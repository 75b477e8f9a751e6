package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/attachtest"
)

// deployment is a primary, a replica and a Sentinel that somebody else runs: TLS
// alone, a password for the default user, users of an ACL.
type deployment struct {
	dir, server string
	pool        *x509.CertPool
	nodes       []*cluster.Node
	sentinel    string
	running     map[string]*exec.Cmd
}

const (
	rootPassword = "s3cret-of-root"
	appPassword  = "s3cret-of-the-app"
)

func deploy(t *testing.T) *deployment {
	t.Helper()
	path, err := kit.Find(redisBrand.program())
	if err != nil {
		t.Skip(err)
	}
	d := &deployment{dir: t.TempDir(), server: path, running: map[string]*exec.Cmd{}}
	d.pool, _ = attachtest.Certificates(t, d.dir, "app")
	for i, name := range []string{"n1", "n2"} {
		d.nodes = append(d.nodes, &cluster.Node{Name: name, Index: i, Addr: netip.MustParseAddr("127.0.0.1"), Port: attachtest.FreePort(t)})
	}
	l := &login{Access: targets.Access{User: "app"}}
	rights := strings.TrimPrefix(l.grant(), "ACL SETUSER app ") // what the remedy says is enough
	for i, n := range d.nodes {
		more := fmt.Sprintf("requirepass %[1]s\nmasterauth %[1]s\nrepl-diskless-sync-delay 0\nappendonly yes\nuser app on >%s %s\nuser guest on >guest ~shop:* +@all\nuser mute on >mute ~* +@all -config\n", rootPassword, appPassword, rights)
		if i > 0 {
			more += fmt.Sprintf("replicaof 127.0.0.1 %d\n", d.nodes[0].Port)
		}
		d.run(t, n.Name, n.Port, more)
	}
	port := attachtest.FreePort(t)
	d.sentinel = fmt.Sprintf("127.0.0.1:%d", port)
	d.run(t, "sentinel", port, fmt.Sprintf("sentinel monitor shop 127.0.0.1 %d 1\nsentinel auth-pass shop %s\nsentinel down-after-milliseconds shop 1500\nsentinel failover-timeout shop 3000\n", d.nodes[0].Port, rootPassword), "--sentinel")
	err = kit.Retry(bounded(t), 20*time.Millisecond, "wait for the Sentinel to know the replica", func() error {
		conn, err := redigo.Dial("tcp", d.sentinel, redigo.DialUseTLS(true), redigo.DialTLSConfig(d.tls()))
		if err != nil {
			return err
		}
		defer conn.Close()
		replicas, err := redigo.Values(conn.Do("SENTINEL", "REPLICAS", "shop"))
		if err == nil && len(replicas) != 1 {
			err = fmt.Errorf("%d replicas", len(replicas))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *deployment) tls() *tls.Config {
	return &tls.Config{RootCAs: d.pool, ServerName: attachtest.ServerName}
}

// run starts a server and waits until it answers.
func (d *deployment) run(t *testing.T, name string, port int, more string, args ...string) {
	t.Helper()
	dir := filepath.Join(d.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("bind 127.0.0.1\nport 0\ntls-port %d\ntls-cert-file %[2]s/server.crt\ntls-key-file %[2]s/server.key\ntls-ca-cert-file %[2]s/ca.crt\ntls-auth-clients no\ntls-replication yes\ndir %[3]s\n%[4]s", port, d.dir, dir, more)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(d.server, append([]string{file}, args...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.running[name] = cmd
	t.Cleanup(func() {
		d.kill(name)
		if t.Failed() {
			t.Logf("%s:\n%s", name, log.String())
		}
	})
	err := kit.Retry(bounded(t), 10*time.Millisecond, "wait for "+name, func() error {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), d.tls())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
}

func (d *deployment) kill(name string) {
	if cmd := d.running[name]; cmd != nil {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		d.running[name] = nil
	}
}

// root does a command on a node as nobody of the product may.
func (d *deployment) root(t *testing.T, n *cluster.Node, command string, args ...any) any {
	t.Helper()
	conn, err := redigo.Dial("tcp", kit.ServerAddress(n, 0), redigo.DialUseTLS(true), redigo.DialTLSConfig(d.tls()), redigo.DialPassword(rootPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reply, err := conn.Do(command, args...)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func (d *deployment) keys(t *testing.T, n *cluster.Node) []string {
	t.Helper()
	keys, err := redigo.Strings(d.root(t, n, "KEYS", "*"), nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

func (d *deployment) access(user, password string) targets.Access {
	return targets.Access{User: user, Password: password, TLS: d.tls()}
}

func attached(t *testing.T, target targets.Attacher, a targets.Access, objects string, options ...string) *Attached {
	t.Helper()
	o := map[string]string{}
	for i := 0; i < len(options); i += 2 {
		o[options[i]] = options[i+1]
	}
	s, err := target.Attach(targets.AttachConfig{Config: targets.Config{Replicas: 1, Options: o}, Access: a, Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.(*Attached).Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*Attached)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var brief = targets.ClientOptions{ConnectTimeout: 5 * time.Second, OpTimeout: 5 * time.Second}

// TestAttach is a run's way through a deployment of somebody else's: it makes its
// keys, works on them, looks on, and leaves nothing.
func TestAttach(t *testing.T) {
	d := deploy(t)
	d.root(t, d.nodes[0], "SET", "shop:1", "theirs")
	t.Run("refused", func(t *testing.T) { refused(t, d) })
	t.Run("straight", func(t *testing.T) { straight(t, d) })
	t.Run("settings", func(t *testing.T) { settingsTold(t, d) })
	t.Run("leftovers", func(t *testing.T) { leftovers(t, d) })
	t.Run("proxy", func(t *testing.T) { proxy(t, d) })
	t.Run("sentinel", func(t *testing.T) { sentinels(t, d) })
}

func straight(t *testing.T, d *deployment) {
	ctx := bounded(t)
	s := attached(t, Target{}, d.access("app", appPassword), "aftershock_one", optWait, "1")
	if err := s.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	var clients [2]targets.Client
	for i, n := range d.nodes {
		c, err := s.Connect(ctx, n, brief)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients[i] = c
	}
	everything(t, clients[0])
	if op := doOp(t, clients[1], history.Op{Kind: history.Write, Key: 1, Value: 9}); op.Outcome != history.Fail || op.Error != history.ErrNotPrimary {
		t.Errorf("a write on the replica: %v %v", op.Outcome, op.Error)
	}
	if op := doOp(t, clients[1], history.Op{Kind: history.Read, Key: 1}); op.Outcome != history.OK || op.Value != 8 { // the write has WAITed
		t.Errorf("%+v", op)
	}
	for _, key := range d.keys(t, d.nodes[0]) {
		if key != "shop:1" && !strings.HasPrefix(key, "aftershock_one:") {
			t.Errorf("there is a key %q", key)
		}
	}
	for i, role := range []targets.Role{targets.Primary, targets.Replica} {
		for _, ask := range []kit.OfStatus{s.Status, s.ClientStatus} {
			if st, err := ask(ctx, d.nodes[i]); err != nil || st.Role != role || !st.Healthy || st.Epoch != 0 {
				t.Errorf("%+v %v", st, err)
			}
		}
	}
	if version, err := s.Version(ctx, d.nodes[0]); err != nil || version == "" {
		t.Errorf("%q %v", version, err)
	}
	if lag, err := s.ServerLag(ctx, d.nodes, 0); err != nil || len(lag) != 1 || lag[0].Node != 1 {
		t.Errorf("%+v %v", lag, err)
	}
	gone(t, d, s, d.nodes[0])
}

// gone removes a run's keys, twice, and finds none.
func gone(t *testing.T, d *deployment, s *Attached, primary *cluster.Node) {
	t.Helper()
	for range 2 {
		if err := s.Remove(bounded(t), d.nodes); err != nil {
			t.Error(err)
		}
	}
	if keys := d.keys(t, primary); !slices.Equal(keys, []string{"shop:1"}) {
		t.Errorf("there are %q", keys)
	}
}

func doOp(t *testing.T, c targets.Client, op history.Op) history.Op {
	t.Helper()
	c.Do(t.Context(), &op)
	return op
}

// everything does each kind of operation; the value of key 1 is 8 in the end.
func everything(t *testing.T, c targets.Client) {
	t.Helper()
	const primary = history.FromPrimary
	lists := history.AppendMicro(history.AppendMicro(nil, history.Micro{Key: 1, Value: 4}), history.Micro{Read: true, Key: 1})
	for i, step := range []struct {
		op   history.Op
		good func(history.Op) bool
	}{
		{history.Op{Kind: history.Read, Key: 1, Flags: primary}, func(o history.Op) bool { return o.Value == history.Nil }},
		{history.Op{Kind: history.Add, Key: 1, Value: 5}, nil},
		{history.Op{Kind: history.ReadSet, Key: 1, Flags: primary}, func(o history.Op) bool { return slices.Equal(o.Elements, []int64{5}) }},
		{history.Op{Kind: history.Mark, Key: 1, Value: 3}, nil},
		{history.Op{Kind: history.Poll, Key: 1, Flags: primary}, func(o history.Op) bool { return o.Value == 3 }},
		{history.Op{Kind: history.Enqueue, Key: 1, Value: 1}, nil},
		{history.Op{Kind: history.Enqueue, Key: 1, Value: 2}, nil},
		{history.Op{Kind: history.Dequeue, Key: 1}, func(o history.Op) bool { return o.Value == 1 }},
		{history.Op{Kind: history.Drain, Key: 1}, func(o history.Op) bool { return slices.Equal(o.Elements, []int64{2}) }},
		{history.Op{Kind: history.Txn, Elements: lists, Flags: primary}, nil},
		{history.Op{Kind: history.Transfer, Key: 1, Old: 2, Value: 1, Flags: primary}, nil},
		{history.Op{Kind: history.Balances, Key: 3, Flags: primary}, func(o history.Op) bool { return len(o.Elements) == 3 && o.Elements[1] == history.OpeningBalance-1 }},
		{history.Op{Kind: history.Generate, Key: 9, Flags: primary}, func(o history.Op) bool { return o.Value == 1 }},
		{history.Op{Kind: history.Increment, Key: 8, Value: 2, Flags: primary}, nil},
		{history.Op{Kind: history.Write, Key: 1, Value: 7}, nil},
		{history.Op{Kind: history.CAS, Key: 1, Old: 7, Value: 8}, nil},
		{history.Op{Kind: history.Read, Key: 1, Flags: primary}, func(o history.Op) bool { return o.Value == 8 }},
	} {
		op := doOp(t, c, step.op)
		if op.Outcome != history.OK || step.good != nil && !step.good(op) {
			t.Errorf("step %d: %+v", i, op)
		}
	}
}

// refused: one clear message each, nothing made, and no password told.
func refused(t *testing.T, d *deployment) {
	dead := &cluster.Node{Name: "n3", Index: 1, Addr: d.nodes[0].Addr, Port: 1}
	clear, stranger := d.access("app", appPassword), d.access("app", appPassword)
	clear.TLS = nil
	stranger.TLS = &tls.Config{RootCAs: d.pool}
	for _, c := range []struct {
		name   string
		access targets.Access
		nodes  []*cluster.Node
		want   []string
	}{
		{"wrong password", d.access("app", "wr0ng-and-long"), d.nodes, []string{"n1", `refuses "app"`, "target.connect"}},
		{"wrong requirepass", d.access("", "wr0ng-and-long"), d.nodes, []string{"refuses the default user"}},
		{"no password", d.access("", ""), d.nodes, []string{"asks for a password", "target.connect"}},
		{"no rights on the run's keys", d.access("guest", "guest"), d.nodes, []string{`"guest" has not the rights`, "NOPERM", "ACL SETUSER guest ~aftershock_*"}},
		{"a certificate of another name", stranger, d.nodes, []string{"certificate", "target.connect"}},
		{"no TLS where it is asked for", clear, d.nodes, []string{"n1", "want TLS?"}},
		{"a node that is not there", d.access("app", appPassword), []*cluster.Node{d.nodes[0], dead}, []string{"n3", "127.0.0.1:1", "connection refused", "target.attach"}},
		{"no primary", d.access("app", appPassword), d.nodes[1:], []string{"no primary", "n2"}},
		{"two primaries", d.access("app", appPassword), []*cluster.Node{d.nodes[0], {Name: "again", Index: 1, Addr: d.nodes[0].Addr, Port: d.nodes[0].Port}}, []string{"both n1 and again are primary"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := attached(t, Target{}, c.access, "aftershock_none")
			s.patience = 1500 * time.Millisecond
			began := time.Now()
			err := s.Form(bounded(t), c.nodes)
			if err == nil {
				t.Fatal("it is formed")
			}
			t.Log(err)
			if err := s.Remove(bounded(t), c.nodes); err != nil { // nothing was made
				t.Error(err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not tell %q", err, want)
				}
			}
			if len(c.access.Password) > 8 && strings.Contains(err.Error(), c.access.Password) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	if keys := d.keys(t, d.nodes[0]); !slices.Equal(keys, []string{"shop:1"}) {
		t.Errorf("there are %q", keys)
	}
}

func settingsTold(t *testing.T, d *deployment) {
	list, err := attached(t, Target{}, d.access("app", appPassword), "aftershock_look").Settings(bounded(t), d.nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"role": {"primary", ""}, "appendonly": {"yes", ""}, "appendfsync": {"everysec", "two seconds"}, "min-replicas-to-write": {"0", "cut off"},
		"min-replicas-max-lag": {"10", ""}, "replica-serve-stale-data": {"yes", "lost its primary"}, "maxmemory-policy": {"noeviction", ""}, "repl-diskless-load": {"disabled", ""},
	} {
		i := slices.IndexFunc(list, func(s targets.Setting) bool { return s.Name == name })
		if i < 0 || list[i].Value != want[0] || (list[i].Warning == "") != (want[1] == "") || !strings.Contains(list[i].Warning, want[1]) {
			t.Errorf("%s: %+v, want %q", name, list, want)
		}
	}
	list, err = attached(t, Target{}, d.access("mute", "mute"), "aftershock_look").Settings(bounded(t), d.nodes[1])
	if err != nil || len(list) != 3 || list[1].Value != "replica" || !strings.Contains(list[2].Warning, "+config|get") {
		t.Errorf("%+v %v", list, err)
	}
	for _, c := range []struct{ name, value, role, append, save, memory, want string }{
		{"appendonly", "no", "", "no", "", "", "nothing is kept"}, {"appendonly", "no", "", "no", "900 1", "", "only snapshots"}, {"appendfsync", "no", "", "yes", "", "", "operating system"},
		{"appendfsync", "always", "", "yes", "", "", ""}, {"appendfsync", "no", "", "no", "", "", ""}, {"min-replicas-to-write", "0", "slave", "", "", "", ""}, {"min-replicas-to-write", "1", "master", "", "", "", ""},
		{"maxmemory-policy", "allkeys-lru", "", "", "", "100", "evicted"}, {"maxmemory-policy", "allkeys-lru", "", "", "", "0", ""}, {"repl-diskless-load", "swapdb", "", "", "", "", "twice"},
	} {
		f := facts{info: map[string]string{"role": c.role}, of: map[string]string{"appendonly": c.append, "save": c.save, "maxmemory": c.memory}}
		f.of[c.name] = c.value
		if got := f.warning(c.name); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// leftovers: what other runs left is told and taken away by their names, and what is
// nobody's stays.
func leftovers(t *testing.T, d *deployment) {
	ctx := bounded(t)
	a := d.access("app", appPassword)
	d.root(t, d.nodes[0], "SET", "aftershock_products:1", "theirs")
	defer d.root(t, d.nodes[0], "DEL", "aftershock_products:1")
	old, now := attached(t, Target{}, a, "aftershock_a"), attached(t, Target{}, a, "aftershock_a_b")
	for _, s := range []*Attached{old, now} {
		if err := s.Form(ctx, d.nodes); err != nil {
			t.Fatal(err)
		}
	}
	if err := now.Form(ctx, d.nodes); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second run of the same name: %v", err)
	}
	c, err := old.Connect(ctx, d.nodes[0], brief)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(2 * scanBatch) { // more than one go takes
		c.Do(ctx, &history.Op{Kind: history.Write, Key: i, Value: 1})
	}
	_ = c.Close()
	if left, err := now.Left(ctx, d.nodes); err != nil || !slices.Equal(left, []string{"aftershock_a"}) {
		t.Errorf("%q %v", left, err)
	}
	if err := old.Remove(ctx, d.nodes); err != nil {
		t.Error(err)
	}
	if keys := d.keys(t, d.nodes[0]); !slices.Equal(keys, []string{"aftershock_a_b:begun", "aftershock_products:1", "shop:1"}) {
		t.Errorf("there are %q", keys)
	}
	if err := now.Remove(ctx, d.nodes); err != nil {
		t.Error(err)
	}
	if err := attached(t, Target{}, a, "aftershock_x").Remove(ctx, d.nodes[1:]); err == nil || !strings.Contains(err.Error(), "primary") {
		t.Errorf("without a primary: %v", err)
	}
}

// proxy: a connection through a proxy is as good as one to the node, and is known
// to lead there. The user is the default one, by requirepass.
func proxy(t *testing.T, d *deployment) {
	ctx := bounded(t)
	a := d.access("", rootPassword)
	for i, role := range []targets.Role{targets.Primary, targets.Replica} {
		a.Doors = append(a.Doors, targets.Door{Role: role, Kind: "redis", Addrs: []string{"127.0.0.1:1", attachtest.Forwarder(t, kit.ServerAddress(d.nodes[i], 0))}})
	}
	s := attached(t, Target{}, a, "aftershock_proxy")
	if err := s.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	for i, door := range a.Doors {
		c, node, err := s.Enter(ctx, door, d.nodes, brief)
		if err != nil {
			t.Fatal(err)
		}
		if node != i {
			t.Errorf("door %d leads to node %d", i, node)
		}
		if i == 0 {
			everything(t, c)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	c, node, err := s.Enter(ctx, a.Doors[1], d.nodes[:1], brief)
	if err != nil || node != -1 {
		t.Errorf("a door to a node that is not ours leads to %d, %v", node, err)
	}
	_ = c.Close()
	if _, _, err := s.Enter(ctx, targets.Door{Kind: "redis", Addrs: []string{"127.0.0.1:1"}}, d.nodes, brief); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
	gone(t, d, s, d.nodes[0])
}

// sentinels: the primary is found through the Sentinel, also when it is another.
func sentinels(t *testing.T, d *deployment) {
	ctx := bounded(t)
	a := d.access("app", appPassword)
	primary := targets.Door{Role: targets.Primary, Kind: "sentinel", Addrs: []string{"127.0.0.1:1", d.sentinel}, Name: "shop"}
	replica := primary
	replica.Role = targets.Replica
	a.Doors = []targets.Door{primary, replica}
	s := attached(t, Sentinel{}, a, "aftershock_sentinel")
	if err := s.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	for i, door := range a.Doors {
		c, node, err := s.Enter(ctx, door, d.nodes, brief)
		if err != nil {
			t.Fatal(err)
		}
		if node != i {
			t.Errorf("the %s is node %d", door.Role, node)
		}
		if i == 0 {
			everything(t, c)
		}
		_ = c.Close()
	}
	unknown := primary
	unknown.Name = "warehouse"
	if _, _, err := s.Enter(ctx, unknown, d.nodes, brief); err == nil || !strings.Contains(err.Error(), `no primary "warehouse"`) {
		t.Errorf("%v", err)
	}
	epochs := func() (first, second targets.Status, err error) {
		if first, err = s.Status(ctx, d.nodes[0]); err == nil {
			second, err = s.Status(ctx, d.nodes[1])
		}
		return first, second, err
	}
	if first, second, err := epochs(); err != nil || first.Epoch != 1 || second.Epoch != 1 || second.LogEpoch != 1 || first.Role != targets.Primary {
		t.Errorf("%+v %+v %v", first, second, err)
	}
	d.kill("n1")
	err := kit.Retry(ctx, 20*time.Millisecond, "find the new primary", func() error {
		c, node, err := s.Enter(ctx, primary, d.nodes, brief)
		if err != nil {
			return err
		}
		defer c.Close()
		if node != 1 {
			return fmt.Errorf("it is node %d", node)
		}
		if op := doOp(t, c, history.Op{Kind: history.Read, Key: 1, Flags: history.FromPrimary}); op.Outcome != history.OK || op.Value != 8 {
			return fmt.Errorf("%+v", op)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = kit.Retry(ctx, 20*time.Millisecond, "see n2 as the primary of a later epoch", func() error { // the Sentinel has ended our connections to it
		st, err := s.Status(ctx, d.nodes[1])
		if err == nil && (st.Role != targets.Primary || st.Epoch < 2) {
			err = fmt.Errorf("%+v", st)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	gone(t, d, s, d.nodes[1])
}

// TestSentinelIsNotBelieved: what a Sentinel names for the primary is asked itself.
func TestSentinelIsNotBelieved(t *testing.T) {
	info := "# Server\r\nrun_id:abc\r\n" + slaveInfo
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		if addr == "sentinel:1" {
			return fake(t, answers{"SENTINEL": {"*0\r\n", "*2\r\n$8\r\n10.0.0.1\r\n$4\r\n6379\r\n"}}), nil
		}
		return fake(t, answers{"INFO": {fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)}}), nil
	}
	d := targets.Door{Role: targets.Primary, Kind: "sentinel", Addrs: []string{"sentinel:1"}, Name: "shop"}
	s := attached(t, Target{}, targets.Access{Doors: []targets.Door{d}}, "aftershock_x")
	_, _, err := s.Enter(t.Context(), d, testNodes(1), targets.ClientOptions{Dialer: dial, ConnectTimeout: time.Second})
	if err == nil || !strings.Contains(err.Error(), "names 10.0.0.1:6379 for the primary, and it says that it is a replica") {
		t.Error(err)
	}
}

// TestAttachRefusesOptions: what is set at the servers is not the plan's.
func TestAttachRefusesOptions(t *testing.T) {
	for _, c := range []struct {
		target  targets.Attacher
		options map[string]string
		access  targets.Access
		want    string
	}{
		{Target{}, map[string]string{optWait: "1", optWaitTimeout: "1s"}, targets.Access{Database: "3"}, ""},
		{Valkey(), map[string]string{optWait: "1"}, targets.Access{Doors: []targets.Door{{Kind: "valkey", Addrs: []string{"a:1"}}}}, ""},
		{Target{}, map[string]string{optWait: "2"}, targets.Access{}, "target.options.wait"},
		{Target{}, map[string]string{optAppendOnly: "yes"}, targets.Access{}, "target.options.appendonly"},
		{Sentinel{}, map[string]string{optQuorum: "2"}, targets.Access{}, "target.options.quorum"},
		{ValkeySentinel(), map[string]string{optDownAfter: "500"}, targets.Access{}, "set it there"},
		{Target{}, nil, targets.Access{Database: "shop"}, "target.connect"},
		{Target{}, nil, targets.Access{Doors: []targets.Door{{Kind: "postgres", Addrs: []string{"a:1"}}}}, "leads to no Redis"},
		{Target{}, nil, targets.Access{Doors: []targets.Door{{Kind: "redis", Addrs: []string{"a:1"}, Name: "x"}}}, "is no number"},
		{Target{}, nil, targets.Access{Doors: []targets.Door{{Kind: "redis"}}}, "without an address"},
		{Target{}, nil, targets.Access{Doors: []targets.Door{{Kind: "sentinel", Addrs: []string{"a:1"}}}}, "without the name"},
	} {
		s, err := c.target.Attach(targets.AttachConfig{Config: targets.Config{Replicas: 1, Options: c.options}, Access: c.access, Objects: "aftershock_x"})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.options, err)
		}
		if _, operated := s.(targets.Operated); operated {
			t.Error("the harness would fail it over")
		}
	}
}

// TestPrefixIsFree: a run's name in its keys takes no allocation of an operation.
func TestPrefixIsFree(t *testing.T) {
	allocations := func(prefix string) float64 {
		c := &codec{Client: &Client{prefix: []byte(prefix)}}
		op, b := history.Op{Kind: history.Write, Key: 1, Value: 2}, make([]byte, 0, 1024)
		return testing.AllocsPerRun(100, func() { b, _ = c.Encode(b[:0], &op) })
	}
	if none, some := allocations(""), allocations("aftershock_x:"); none != 0 || some != 0 {
		t.Errorf("%v allocations, with a prefix %v", none, some)
	}
}
