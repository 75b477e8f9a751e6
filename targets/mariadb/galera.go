package mariadb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Galera is MariaDB as a Galera cluster, as a target of plans. Every node takes
// writes; the nodes agree on their order and on who belongs to the cluster by
// themselves.
type Galera struct{}

var (
	_ targets.Target    = Galera{}
	_ targets.Launcher  = Galera{}
	_ targets.System    = (*GaleraSystem)(nil)
	_ targets.Versioned = (*GaleraSystem)(nil)
)

// Names of the options: the server's own, and those of wsrep_provider_options
// with '_' for '.'.
const (
	optSyncWait  = "wsrep_sync_wait"
	optApplier   = "wsrep_slave_threads"
	optSuspect   = "evs_suspect_timeout"
	optRetryAuto = "wsrep_retry_autocommit"
)

// Info describes the target.
func (Galera) Info() targets.Info {
	return targets.Info{
		Name:  "galera",
		Tasks: tasksTold(),
		About: "MariaDB as a Galera cluster: every node takes writes, certified in one order; a majority goes on by itself",
		Options: []schema.Field{
			{Name: optSyncWait, Default: "0",
				Meaning: "statements that wait until the node has applied what the cluster had before: the sum of 1 (reads), 2 (update, delete), 4 (insert), 8 (show)"},
			{Name: optApplier, Default: "1", Meaning: "threads that apply the other nodes' writes"},
			{Name: optRetryAuto, Default: "1", Meaning: "times that the server itself tries a statement again whose certification failed"},
			{Name: optSuspect, Default: "5s", Meaning: "silence after which a node is suspected (evs.suspect_timeout); evs.inactive_timeout is three times it"},
			flushLog, isolation, snapshotIsolation,
		},
		Kinds: kinds,
		Modes: []targets.Mode{
			{Name: "galera", About: "three nodes", Replicas: 2, Options: map[string]string{optSuspect: "1s"}},
		},
		Servers:  []targets.Server{program, library, copier},
		Versions: versions,
	}
}

// suspect bounds evs_suspect_timeout.
const (
	suspectLeast = 500 * time.Millisecond
	suspectMost  = time.Minute
)

// Configure validates the options. Errors name the option and the remedy.
func (g Galera) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(g.Info(), c)
	if err != nil {
		return nil, err
	}
	for _, number := range []struct {
		name        string
		least, most int
	}{{optSyncWait, 0, 15}, {optApplier, 1, 64}, {optRetryAuto, 0, 10000}} {
		if _, err := o.Int(number.name, number.least, number.most); err != nil {
			return nil, err
		}
	}
	suspect, err := o.Duration(optSuspect, suspectLeast, suspectMost)
	if err != nil {
		return nil, err
	}
	s := &GaleraSystem{syncWait: o[optSyncWait], isolation: o[isolation.Name], provider: providerOptions(suspect)}
	for _, name := range []string{optApplier, optRetryAuto, optFlushLog} {
		s.settings = append(s.settings, setting{name, o[name]})
	}
	s.settings = append(s.settings, snapshotSetting(o[snapshotIsolation.Name])...)
	s.operator.Dial, s.client.Dial = operateGalera, look
	return s, nil
}

// providerOptions are the provider's own settings. The checks and beats follow
// the time after which a node is suspected, in Galera's own proportions; a
// joiner gets what it missed from the donor's cache of write sets, which
// outlives the donor's restart.
func providerOptions(suspect time.Duration) string {
	period := func(d time.Duration) string {
		return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
	}
	beat := max(suspect/5, 100*time.Millisecond)
	return strings.Join([]string{
		"gcache.size=64M", "gcache.recover=yes", "pc.recovery=true",
		"evs.keepalive_period=" + period(beat), "evs.inactive_check_period=" + period(beat),
		"evs.join_retrans_period=" + period(beat), "evs.suspect_timeout=" + period(suspect),
		"evs.inactive_timeout=" + period(3*suspect), "evs.install_timeout=" + period(max(suspect, 3*time.Second)),
	}, ";")
}

// GaleraSystem is one configured Galera cluster.
type GaleraSystem struct {
	settings  []setting
	provider  string
	syncWait  string
	isolation string // of transactions
	questions
}

// Server is mariadbd with its own option file.
func (s *GaleraSystem) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	return s.server(nodes, nodes[i], len(nodes))
}

// server is that of a node in a cluster that so many nodes found; 0: it is there already.
func (s *GaleraSystem) server(nodes []*cluster.Node, n *cluster.Node, founders int) cluster.ServerSpec {
	var members []string
	for _, n := range nodes {
		members = append(members, n.Addr.String())
	}
	galera := []setting{
		{"wsrep_on", on},
		{"wsrep_cluster_name", database},
		{"wsrep_cluster_address", "gcomm://" + strings.Join(members, ",")},
		{"wsrep_node_address", n.Addr.String()},
		{"wsrep_node_name", n.Name},
		{"wsrep_provider_options", `"` + s.provider + `"`},
		{"wsrep_sst_method", "rsync"},
		{"innodb_autoinc_lock_mode", "2"},
	}
	return cluster.ServerSpec{
		Command: kit.Serve(Galera{}.Info().Name, cluster.DataDir, strconv.Itoa(n.Index), strconv.Itoa(founders)),
		User:    serverUser,
		Files: map[string]string{
			cluster.DataDir + "/" + configFile: config(common, galera, s.settings),
			cluster.DataDir + "/" + schemaFile: firstStatements(),
		},
	}
}

// Connect opens a connection to a node over the clients' network.
func (s *GaleraSystem) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	return connect(ctx, n, o, "SET SESSION wsrep_sync_wait = "+s.syncWait, setIsolation(s.isolation))
}

// Form waits until every node is a synced member of one cluster.
func (s *GaleraSystem) Form(ctx context.Context, nodes []*cluster.Node) error {
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, retryEvery, "wait for "+nodes[i].Name+" to join the cluster", func() error {
			size := 0
			err := s.operator.Use(ctx, nodes[i], func(c *session) error {
				m, err := readMember(ctx, c)
				size = m.size
				return err
			})
			if err == nil && size != len(nodes) {
				err = fmt.Errorf("the cluster has %d members of %d", size, len(nodes))
			}
			return err
		})
	})
}

// operateGalera connects as the operator; what this connection reads is as new
// as the cluster.
func operateGalera(ctx context.Context, n *cluster.Node) (*session, error) {
	c, err := operate(ctx, n)
	if err != nil {
		return nil, err
	}
	if err := c.exec(ctx, "SET SESSION wsrep_sync_wait = 1"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Status asks a node by the operator's way. It also reads a row, which waits
// until the node has applied all that the cluster had when it was asked: one
// that is healthy is not behind.
func (s *GaleraSystem) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	var st targets.Status
	err := s.operator.Use(ctx, n, func(c *session) error {
		m, err := readMember(ctx, c)
		if err == nil && m.ready {
			_, err = c.row(ctx, "SELECT epoch FROM epoch WHERE id = 1")
		}
		st = m.status()
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return st, nil
}

// errNotReady is a node that takes no operations now.
var errNotReady = errors.New("it is not ready for clients")

// ClientStatus asks a node over the clients' network. One that is not ready,
// as those of a minority are not, is no peer for clients.
func (s *GaleraSystem) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	var m member
	err := s.client.Use(ctx, n, func(c *session) (err error) {
		m, err = readMember(ctx, c)
		return err
	})
	if err == nil && !m.ready {
		err = errNotReady
	}
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its role: %w", n.Name, err)
	}
	return m.status(), nil
}

// member is a node's view of the cluster.
type member struct {
	ready     bool
	state     string // "Synced", "Donor/Desynced", "Initialized", …
	component string // "Primary", "non-Primary", "Disconnected"
	size      int
	committed uint64
}

// synced is the state of a node that has everything.
const synced = "Synced"

func readMember(ctx context.Context, c *session) (member, error) {
	all, err := c.pairs(ctx, "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state_comment',"+
		" 'wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_last_committed')")
	if err != nil {
		return member{}, err
	}
	return memberOf(all)
}

func memberOf(all map[string]string) (member, error) {
	m := member{ready: all["wsrep_ready"] == on, state: all["wsrep_local_state_comment"], component: all["wsrep_cluster_status"]}
	size, err := strconv.ParseInt(all["wsrep_cluster_size"], 10, 32)
	if err != nil {
		return member{}, fmt.Errorf("wsrep_cluster_size: %w", err)
	}
	m.size = int(size)
	committed, err := strconv.ParseInt(all["wsrep_last_committed"], 10, 64) // -1 before it joined
	if err != nil {
		return member{}, fmt.Errorf("wsrep_last_committed: %w", err)
	}
	m.committed = uint64(max(committed, 0))
	return m, nil
}

func (m member) status() targets.Status {
	return targets.Status{Role: targets.Peer, Position: m.committed, Eligible: m.ready,
		Healthy: m.ready && m.state == synced && m.component == "Primary",
		Detail:  fmt.Sprintf("%s in a %s component of %d, committed %d", m.state, m.component, m.size, m.committed)}
}
