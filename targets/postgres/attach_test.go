package postgres

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/attachtest"
)

func (d *deployment) access(user, password string) targets.Access {
	return targets.Access{User: user, Password: password, Database: "shop", TLS: &tls.Config{RootCAs: d.pool, ServerName: attachtest.ServerName}}
}

// attach is a System of the deployment.
func attach(t *testing.T, a targets.Access, objects string) *Attached {
	t.Helper()
	s, err := Target{}.Attach(targets.AttachConfig{Config: targets.Config{Replicas: 1}, Access: a, Objects: objects})
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
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var options = targets.ClientOptions{ConnectTimeout: 5 * time.Second, OpTimeout: 5 * time.Second}

func do(t *testing.T, c targets.Client, op history.Op) history.Op {
	t.Helper()
	c.Do(t.Context(), &op)
	return op
}

// tablesThere are the tables beside the system's own, as the superuser sees them.
func (d *deployment) tablesThere(t *testing.T, node string) string {
	t.Helper()
	return d.sql(t, node, "shop", "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
}

// TestAttach is a run's way through a deployment of somebody else's: it makes its
// tables, works on them, looks on, and leaves nothing.
func TestAttach(t *testing.T) {
	d := deploy(t)
	t.Run("refused", func(t *testing.T) { refused(t, d) })
	t.Run("ordinary user", func(t *testing.T) { ordinary(t, d) })
	t.Run("logins", func(t *testing.T) { logins(t, d) })
	t.Run("settings", func(t *testing.T) { settings(t, d) })
	t.Run("doors", func(t *testing.T) { doors(t, d) })
	t.Run("pool", func(t *testing.T) { pool(t, d) })
	t.Run("others", func(t *testing.T) { leftovers(t, d) })
	t.Run("failover", func(t *testing.T) { failover(t, d) })
}

func ordinary(t *testing.T, d *deployment) {
	ctx := bounded(t)
	s := attach(t, d.access("app", appPassword), "aftershock_one")
	if err := s.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	primary, err := s.Connect(ctx, d.nodes[0], options)
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Close()
	standby, err := s.Connect(ctx, d.nodes[1], options)
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	everything(t, primary)
	if op := do(t, standby, history.Op{Kind: history.Write, Key: 1, Value: 9}); op.Outcome != history.Fail || op.Error != history.ErrNotPrimary {
		t.Errorf("a write on the standby: %v %v", op.Outcome, op.Error)
	}
	err = kit.Retry(ctx, 10*time.Millisecond, "read on the standby", func() error {
		if op := do(t, standby, history.Op{Kind: history.Read, Key: 1}); op.Outcome != history.OK || op.Value != 8 {
			return errReply
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	statuses(t, s, d, 0)
	if err := s.Remove(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, d.nodes); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if left := d.tablesThere(t, "n1"); left != "" {
		t.Errorf("there are left %s", left)
	}
}

// everything does each kind of operation on key 1, whose value is 8 in the end.
func everything(t *testing.T, c targets.Client) {
	t.Helper()
	const primary = history.FromPrimary
	lists := history.AppendMicro(history.AppendMicro(nil, history.Micro{Key: 1, Value: 4}), history.Micro{Read: true, Key: 1})
	for i, step := range []struct {
		op   history.Op
		good func(history.Op) bool
	}{
		{history.Op{Kind: history.Read, Key: 1, Flags: primary}, func(o history.Op) bool { return o.Value == history.Nil }},
		{history.Op{Kind: history.Write, Key: 1, Value: 7}, nil},
		{history.Op{Kind: history.CAS, Key: 1, Old: 7, Value: 8}, nil},
		{history.Op{Kind: history.Read, Key: 1, Flags: primary}, func(o history.Op) bool { return o.Value == 8 }},
		{history.Op{Kind: history.Add, Key: 1, Value: 5}, nil},
		{history.Op{Kind: history.ReadSet, Key: 1, Flags: primary}, func(o history.Op) bool { return slices.Equal(o.Elements, []int64{5}) }},
		{history.Op{Kind: history.Scan, Key: 0, Old: 3, Flags: primary}, func(o history.Op) bool { return slices.Equal(o.Elements, []int64{history.Nil, 8, history.Nil}) }},
		{history.Op{Kind: history.Mark, Key: 1, Value: 3}, nil},
		{history.Op{Kind: history.Poll, Key: 1, Flags: primary}, func(o history.Op) bool { return o.Value == 3 }},
		{history.Op{Kind: history.Txn, Elements: lists, Flags: primary}, nil},
		{history.Op{Kind: history.Transfer, Key: 1, Old: 2, Value: 1, Flags: primary}, nil},
		{history.Op{Kind: history.Balances, Key: 3, Flags: primary}, func(o history.Op) bool { return len(o.Elements) == 3 && o.Elements[1] == history.OpeningBalance-1 }},
		{history.Op{Kind: history.Generate, Key: 9, Flags: primary}, func(o history.Op) bool { return o.Value == 1 }},
		{history.Op{Kind: history.Increment, Key: 8, Value: 2, Flags: primary}, nil},
	} {
		op := do(t, c, step.op)
		if op.Outcome != history.OK || step.good != nil && !step.good(op) {
			t.Errorf("step %d: %+v", i, op)
		}
	}
}

// statuses: the roles are told, straight and as clients ask, and both are healthy.
func statuses(t *testing.T, s *Attached, d *deployment, epoch uint64) {
	t.Helper()
	ctx := bounded(t)
	err := kit.Retry(ctx, 10*time.Millisecond, "wait for health", func() error {
		first, err := s.Status(ctx, d.nodes[0])
		if err != nil {
			return err
		}
		second, err := s.Status(ctx, d.nodes[1])
		if err != nil {
			return err
		}
		if first.Role != targets.Primary || second.Role != targets.Replica || first.Epoch != epoch || second.Epoch != epoch {
			t.Fatalf("%+v %+v", first, second)
		}
		if !first.Healthy || !second.Healthy || second.Position < first.Position {
			return errReply
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for i, role := range []targets.Role{targets.Primary, targets.Replica} {
		if st, err := s.ClientStatus(ctx, d.nodes[i]); err != nil || st.Role != role || role == targets.Primary && st.Epoch != 1 {
			t.Errorf("%+v %v", st, err)
		}
		if version, err := s.Version(ctx, d.nodes[i]); err != nil || version == "" {
			t.Errorf("version %q %v", version, err)
		}
	}
}

// refused: one clear message each, nothing made, and no password told.
func refused(t *testing.T, d *deployment) {
	dead := &cluster.Node{Name: "n3", Index: 1, Addr: d.nodes[0].Addr, Port: 1}
	clear, stranger := d.access("app", appPassword), d.access("app", appPassword)
	clear.TLS = nil
	stranger.TLS = &tls.Config{RootCAs: d.pool}
	nowhere := d.access("app", appPassword)
	nowhere.Database = "warehouse"
	plain := d.access("plain", "plain")
	plain.TLS = nil
	for _, c := range []struct {
		name   string
		access targets.Access
		nodes  []*cluster.Node
		want   []string
	}{
		{"wrong password", d.access("app", "wr0ng-and-long"), d.nodes, []string{"n1", `refuses user "app"`, "target.connect"}},
		{"no such user", d.access("nobody", "wr0ng-and-long"), d.nodes, []string{`refuses user "nobody"`}},
		{"no TLS where it is asked for", clear, d.nodes, []string{"whether it wants TLS"}},
		{"a certificate of another name", stranger, d.nodes, []string{"certificate is not believed", "target.connect"}},
		{"no such database", nowhere, d.nodes, []string{`no database "warehouse"`}},
		{"a password in the clear", plain, d.nodes, []string{"in the clear", "TLS"}},
		{"no right to make tables", d.access("guest", "guest"), d.nodes, []string{`user "guest" may not make tables in schema "public" of database "shop"`, "GRANT CREATE"}},
		{"a node that is not there", d.access("app", appPassword), []*cluster.Node{d.nodes[0], dead}, []string{"n3", "127.0.0.1:1", "connection refused", "target.attach", "start it"}},
		{"no primary", d.access("app", appPassword), d.nodes[1:], []string{"no primary", "n2"}},
		{"two primaries", d.access("app", appPassword), []*cluster.Node{d.nodes[0], {Name: "again", Index: 1, Addr: d.nodes[0].Addr, Port: d.nodes[0].Port}}, []string{"both n1 and again are primary"}},
		{"no nodes", d.access("app", appPassword), nil, []string{"no nodes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			s := attach(t, c.access, "aftershock_none")
			s.patience = 1500 * time.Millisecond
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
			if strings.Contains(err.Error(), c.access.Password) && c.access.Password != c.access.User || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	if left := d.tablesThere(t, "n1"); left != "" {
		t.Errorf("there are %s", left)
	}
}

// logins: a user of each way to prove who one is, also to a node's clients.
func logins(t *testing.T, d *deployment) {
	card := d.access("carded", "")
	card.TLS.Certificates = []tls.Certificate{d.client}
	inClear := d.access("old", "old")
	inClear.TLS = nil
	for name, a := range map[string]targets.Access{"client certificate": card, "cleartext through TLS": d.access("plain", "plain"), "md5": d.access("old", "old"), "md5 without TLS": inClear} {
		s := attach(t, a, "aftershock_login")
		if err := s.Form(bounded(t), d.nodes); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Remove(bounded(t), d.nodes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := attach(t, d.access("watcher", "watcher"), "aftershock_watch")
	statuses(t, s, d, 1)
	lag, err := s.ServerLag(bounded(t), d.nodes, 0)
	if err != nil || len(lag) != 0 { // both nodes have one address
		t.Errorf("%+v %v", lag, err)
	}
	if n, err := s.Syncs(bounded(t), d.nodes[0]); err != nil || n < 0 {
		t.Errorf("%d syncs, %v", n, err)
	}
}

func settings(t *testing.T, d *deployment) {
	d.sql(t, "n1", "postgres", "SELECT pg_create_physical_replication_slot('forgotten', true)")
	defer d.sql(t, "n1", "postgres", "SELECT pg_drop_replication_slot('forgotten')")
	s := attach(t, d.access("app", appPassword), "aftershock_look")
	list, err := s.Settings(bounded(t), d.nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"role": {"primary", ""}, "fsync": {"off", "power loss"}, "synchronous_commit": {"on", ""}, "synchronous_standby_names": {"", "primary alone"},
		"full_page_writes": {"on", ""}, "wal_level": {"replica", ""}, "max_wal_senders": {"10", ""}, "data_checksums": {"off", "not noticed"},
		"replication slots": {"forgotten (inactive)", "disk is full"}, "rights": {"ordinary user", `GRANT pg_monitor TO "app"`},
	} {
		i := slices.IndexFunc(list, func(s targets.Setting) bool { return s.Name == name })
		if i < 0 || list[i].Value != want[0] || (list[i].Warning == "") != (want[1] == "") || !strings.Contains(list[i].Warning, want[1]) {
			t.Errorf("%s: %+v, want %q", name, list, want)
		}
	}
	second, err := attach(t, d.access("watcher", "watcher"), "aftershock_look").Settings(bounded(t), d.nodes[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range second {
		if setting.Name == "role" && setting.Value != "replica" || setting.Name == "synchronous_standby_names" && setting.Warning != "" || setting.Name == "rights" {
			t.Errorf("of the standby: %+v", setting)
		}
	}
}

// doors: a connection through a proxy is as good as one to the node, and is known
// to lead there.
func doors(t *testing.T, d *deployment) {
	ctx := bounded(t)
	a := d.access("app", appPassword)
	var to [2]string
	for i, n := range d.nodes {
		to[i] = attachtest.Forwarder(t, kit.ServerAddress(n, port))
	}
	a.Doors = []targets.Door{
		{Role: targets.Primary, Kind: "postgres", Addrs: []string{"127.0.0.1:1", to[0]}, Name: "shop"},
		{Role: targets.Replica, Kind: "postgres", Addrs: to[1:], Name: "shop"},
	}
	a.Database = "postgres" // a door has one of its own
	inShop := attach(t, d.access("app", appPassword), "aftershock_door")
	if err := inShop.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	s := attach(t, a, "aftershock_door")
	for i, door := range a.Doors {
		c, node, err := s.Enter(ctx, door, d.nodes, options)
		if err != nil {
			t.Fatal(err)
		}
		if node != i {
			t.Errorf("door %d leads to node %d", i, node)
		}
		if i == 0 {
			everything(t, c)
		} else if op := do(t, c, history.Op{Kind: history.Read, Key: 77}); op.Outcome != history.OK || op.Value != history.Nil {
			t.Errorf("%+v", op)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	c, node, err := s.Enter(ctx, a.Doors[0], d.nodes[1:], options)
	if err != nil || node != -1 {
		t.Errorf("a door to a node that is not ours leads to %d, %v", node, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	_, _, err = s.Enter(ctx, targets.Door{Kind: "postgres", Addrs: []string{"127.0.0.1:1"}}, d.nodes, options)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), appPassword) {
		t.Errorf("%v", err)
	}
	if err := inShop.Remove(ctx, d.nodes); err != nil {
		t.Error(err)
	}
}

// pool: a pool that gives every transaction another of its connections breaks
// prepared statements, with certain failures, and no client needs them for long.
func pool(t *testing.T, d *deployment) {
	ctx := bounded(t)
	a := d.access("app", appPassword)
	a.Doors = []targets.Door{{Role: targets.Primary, Kind: "postgres", Addrs: []string{d.pooler(t)}, Name: "shop"}}
	s := attach(t, a, "aftershock_pool")
	if err := s.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	var clients [4]targets.Client
	for i := range clients {
		c, node, err := s.Enter(ctx, a.Doors[0], d.nodes, options)
		if err != nil || node != 0 {
			t.Fatal(node, err)
		}
		defer c.Close()
		clients[i] = c
	}
	failed := 0
	for i := range 50 {
		var all sync.WaitGroup
		ops := make([]history.Op, len(clients))
		for j, c := range clients {
			ops[j] = history.Op{Kind: history.Write, Workload: 1, Key: uint32(j), Value: int64(i)}
			all.Go(func() { c.Do(ctx, &ops[j]) })
		}
		all.Wait()
		for _, op := range ops {
			if failed++; op.Outcome == history.OK {
				failed--
			} else if op.Outcome != history.Fail || op.Error != history.ErrServer {
				t.Fatalf("%+v", op)
			}
		}
	}
	t.Logf("%d operations failed", failed)
	if failed > len(clients) {
		t.Errorf("%d operations failed, more than one of each connection", failed)
	}
	everything(t, clients[0])
	if err := s.Remove(ctx, d.nodes); err != nil {
		t.Error(err)
	}
}

// leftovers: what other runs left is told and taken away by their names, and what is
// nobody's stays.
func leftovers(t *testing.T, d *deployment) {
	ctx := bounded(t)
	d.sql(t, "n1", "shop", "CREATE TABLE orders (id int); CREATE TABLE aftershock_mine_register (id int); CREATE TABLE aftershock_products (w int, k int, v int)")
	a := d.access("app", appPassword)
	old, now := attach(t, a, "aftershock_old"), attach(t, a, "aftershock_now")
	for _, s := range []*Attached{old, now} {
		if err := s.Form(ctx, d.nodes); err != nil {
			t.Fatal(err)
		}
	}
	if err := now.Form(ctx, d.nodes); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second run of the same name: %v", err)
	}
	left, err := now.Left(ctx, d.nodes)
	if err != nil || !slices.Equal(left, []string{"aftershock_old"}) {
		t.Errorf("%q %v", left, err)
	}
	if err := attach(t, a, "aftershock_mine").Remove(ctx, d.nodes); err != nil { // its table is none that a run makes
		t.Error(err)
	}
	for _, s := range []*Attached{old, now} {
		if err := s.Remove(ctx, d.nodes); err != nil {
			t.Error(err)
		}
	}
	if there := d.tablesThere(t, "n1"); there != "aftershock_mine_register aftershock_products orders" {
		t.Errorf("there are %s", there)
	}
	d.sql(t, "n1", "shop", "DROP TABLE orders, aftershock_mine_register, aftershock_products")
	if err := attach(t, a, "aftershock_now").Remove(ctx, d.nodes[1:]); err == nil || !strings.Contains(err.Error(), "primary") {
		t.Errorf("without a primary: %v", err)
	}
}

// failover: the deployment's own, which the harness only looks on.
func failover(t *testing.T, d *deployment) {
	ctx := bounded(t)
	s := attach(t, d.access("watcher", "watcher"), "aftershock_over")
	if err := s.Form(ctx, d.nodes); err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(ctx, d.nodes[0], options)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d.sql(t, "n1", "shop", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'watcher'")
	if op := do(t, c, history.Op{Kind: history.Write, Value: 1}); op.Outcome != history.Unknown || !c.Broken() {
		t.Errorf("a write on a connection that was ended (57P01): %v %v", op.Outcome, op.Error)
	}
	if d.sql(t, "n2", "postgres", "SELECT pg_promote()") != "t" {
		t.Fatal("n2 is not promoted")
	}
	err = kit.Retry(ctx, 10*time.Millisecond, "see n2 as the primary", func() error {
		st, err := s.Status(ctx, d.nodes[1])
		if err == nil && (st.Role != targets.Primary || st.Epoch != 2) {
			err = errReply
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, d.nodes); err != nil {
		t.Error(err)
	}
	for _, n := range []string{"n1", "n2"} {
		if left := d.tablesThere(t, n); left != "" {
			t.Errorf("%s has %s", n, left)
		}
	}
}

// TestAttachRefusesOptions: what is set at the servers is not the plan's.
func TestAttachRefusesOptions(t *testing.T) {
	for _, c := range []struct {
		options map[string]string
		door    targets.Door
		want    string
	}{
		{map[string]string{optLevel: "repeatable read"}, targets.Door{Kind: "postgres", Addrs: []string{"a:1"}}, ""},
		{map[string]string{optCommit: "on"}, targets.Door{}, "target.options.synchronous_commit"},
		{map[string]string{optLevel: "chaos"}, targets.Door{}, "target.options.default_transaction_isolation"},
		{nil, targets.Door{Kind: "sentinel", Addrs: []string{"a:1"}}, "target.connect"},
		{nil, targets.Door{Kind: "postgres"}, "without an address"},
	} {
		s, err := Target{}.Attach(targets.AttachConfig{Config: targets.Config{Options: c.options}, Access: targets.Access{Doors: []targets.Door{c.door}}, Objects: "aftershock_x"})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.options, err)
		}
		if _, operated := s.(targets.Operated); operated {
			t.Error("the harness would fail it over")
		}
	}
}

// TestAttachReadsNoEnvironment: the user's settings for libpq are not the plan's.
func TestAttachReadsNoEnvironment(t *testing.T) {
	for name, value := range map[string]string{"PGHOST": "nowhere", "PGPORT": "x", "PGUSER": "x", "PGDATABASE": "x", "PGPASSWORD": "x", "PGPASSFILE": "/nowhere", "PGSSLMODE": "verify-full",
		"PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere", "PGSSLKEY": "/nowhere", "PGSSLCERTMODE": "x", "PGSSLNEGOTIATION": "direct", "PGOPTIONS": "-c default_transaction_read_only=on", "PGAPPNAME": "x",
		"PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "x", "PGTZ": "x", "PGMINPROTOCOLVERSION": "x", "PGMAXPROTOCOLVERSION": "x", "PGCHANNELBINDING": "x", "PGREQUIREAUTH": "x", "PGSSLSNI": "x"} {
		t.Setenv(name, value)
	}
	c, err := (&login{Access: targets.Access{User: "app", Database: "shop"}}).driver()
	if err != nil {
		t.Fatal(err)
	}
	if c.User != "app" || c.Database != "shop" || c.Password != "" || len(c.RuntimeParams) != 1 || c.TLSConfig != nil || len(c.Fallbacks) != 0 || c.ValidateConnect != nil || c.ConnectTimeout != 0 {
		t.Errorf("%+v", c)
	}
	t.Setenv("PGSERVICE", "none")
	if _, err := new(login).driver(); err == nil || !strings.Contains(err.Error(), "PGSERVICE") {
		t.Errorf("%v", err)
	}
}

// TestNamesAreFree: a run's name in its statements takes no allocation of an
// operation.
func TestNamesAreFree(t *testing.T) {
	allocations := func(sql *statements) float64 {
		to := &codec{send: newClient(&session{}, 0)}
		to.send.sql, to.send.session.front = sql, pgproto3.NewFrontend(nil, (*sink)(to))
		to.statements[asNumber][history.Write].ready.Store(true)
		op, b := history.Op{Kind: history.Write, Key: 1, Value: 2}, make([]byte, 0, 1024)
		return testing.AllocsPerRun(100, func() { b, _ = to.Encode(b[:0], &op) })
	}
	if one, other := allocations(launched), allocations(newStatements("aftershock_x")); other > one {
		t.Errorf("%v allocations, with a name %v", one, other)
	} else {
		t.Logf("%v allocations", one)
	}
}
