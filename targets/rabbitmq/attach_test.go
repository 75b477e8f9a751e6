package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

func attach(t *testing.T, a targets.Access, objects string, options ...string) *Attached {
	t.Helper()
	o := map[string]string{}
	for i := 0; i < len(options); i += 2 {
		o[options[i]] = options[i+1]
	}
	s, err := Target{}.Attach(targets.AttachConfig{Config: targets.Config{Options: o}, Access: a, Objects: objects})
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

func TestAttachRefuses(t *testing.T) {
	for _, c := range []struct {
		option, value string
		door          targets.Door
		database      string
		wrong         string
	}{
		{"net_ticktime", "60s", targets.Door{}, "", "target.options.net_ticktime: servers that run already"},
		{"queue", "mirrored", targets.Door{}, "", "target.options.queue: a policy"},
		{"queue", "classic", targets.Door{Kind: "postgres", Addrs: []string{"a:1"}}, "", "leads to no RabbitMQ"},
		{"queue", "quorum", targets.Door{Kind: "amqps"}, "", "amqps:// without an address"},
		{"queue", "quorum", targets.Door{Kind: "amqp", Addrs: []string{"a:1"}, Name: "shop"}, "other", `virtual host "shop", and the database is "other"`},
	} {
		config := targets.AttachConfig{Config: targets.Config{Options: map[string]string{c.option: c.value}}, Access: targets.Access{Database: c.database}}
		if c.door.Kind != "" {
			config.Access.Doors = []targets.Door{c.door}
		}
		if _, err := (Target{}).Attach(config); err == nil || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", c.wrong, err)
		}
	}
}

// TestExplain: what no waiting mends is told at once, with a remedy; no password is.
func TestExplain(t *testing.T) {
	l := &login{Access: targets.Access{User: "app", Password: "s3cret", Database: "shop"}}
	server := func(code int) error { return &amqp.Error{Code: code, Server: true, Reason: "NO WAY"} }
	for _, c := range []struct {
		err     error
		want    string
		forGood bool
	}{
		{l.explain(amqp.ErrCredentials, ""), `the server refuses user "app"`, true},
		{l.explain(server(amqp.AccessRefused), ""), "target.connect.password", true},
		{l.explain(server(amqp.NotAllowed), ""), `may not use the virtual host "shop"`, true},
		{l.forbidden(server(amqp.AccessRefused)), "rabbitmqctl set_permissions", true},
		{l.forbidden(server(amqp.NotFound)), "NO WAY", false},
		{l.explain(amqp.ErrClosed, ""), "", false},
		{l.explain(errors.New("refused"), ""), "refused", false},
	} {
		if kit.IsForGood(c.err) != c.forGood || !strings.Contains(c.err.Error(), c.want) || strings.Contains(c.err.Error(), "s3cret") {
			t.Errorf("%v", c.err)
		}
	}
}

// beside is a node where commands can be run; answer makes their output of the
// source that they evaluate.
type beside struct {
	cluster.Control
	answer func(ctx context.Context, source string) (string, error)
}

func (b beside) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	said, err := b.answer(ctx, spec.Command[len(spec.Command)-1])
	return []byte(said), err
}

func node(answer func(ctx context.Context, source string) (string, error)) *cluster.Node {
	return &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1"), Control: beside{answer: answer}}
}

// TestFreshIsNoOlder: a state of health that was asked for before the wait began is
// not taken, and one that takes longer than a call is had by a later one.
func TestFreshIsNoOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		told := newTold("/", "aftershock_x")
		defer told.close()
		n := node(func(context.Context, string) (string, error) {
			count++
			time.Sleep(time.Second)
			return fmt.Sprintf("<<\"ready=true \"\n  \"asked=%d\">>\n", count), nil
		})
		for want := 1; want <= 2; want++ {
			began := time.Now()
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				facts, err := told.fresh(ctx, n)
				cancel()
				if err == nil {
					if facts["asked"] != fmt.Sprint(want) || facts["ready"] != "true" || time.Since(began) < time.Second {
						t.Errorf("%v after %v", facts, time.Since(began))
					}
					break
				}
				if time.Since(began) > time.Minute {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestRoleFollows: a change is known as soon as a node tells it, and nothing is when
// it has not answered for long.
func TestRoleFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := newTold("/", "aftershock_x")
		defer told.close()
		var mu sync.Mutex
		leader, dead := "a", false
		set := func(l string, d bool) { mu.Lock(); defer mu.Unlock(); leader, dead = l, d }
		get := func() (string, bool) { mu.Lock(); defer mu.Unlock(); return leader, dead }
		n := node(func(ctx context.Context, source string) (string, error) {
			for began := time.Now(); time.Since(began) < changeFor; time.Sleep(50 * time.Millisecond) {
				l, d := get()
				line := "ready=true leader=" + l
				switch {
				case d || ctx.Err() != nil:
					return "", errors.New("it is dead")
				case !strings.Contains(source, erlangBinary(line)):
					return `<<"` + line + `">>`, nil
				}
			}
			l, _ := get()
			return `<<"ready=true leader=` + l + `">>`, nil
		})
		now := func() string { time.Sleep(5 * time.Second); return told.role(n)["leader"] }
		if first := told.role(n); first != nil {
			t.Errorf("nobody has told %v", first)
		}
		for _, want := range []string{"a", "b", "a"} {
			set(want, false)
			if got := now(); got != want {
				t.Errorf("%q leads, and not %q", got, want)
			}
		}
		time.Sleep(3 * staleAfter)
		if got := now(); got != "a" {
			t.Errorf("what does not change is forgotten: %q", got)
		}
		set("a", true)
		time.Sleep(2 * staleAfter)
		if got := now(); got != "" {
			t.Errorf("a dead node tells %q", got)
		}
	})
}

// TestNobodyBeside: without a way to ask, that is said, and nothing is made up.
func TestNobodyBeside(t *testing.T) {
	s := attach(t, targets.Access{}, "aftershock_x")
	n := node(func(context.Context, string) (string, error) { return "", cluster.ErrCannot })
	if left, err := s.Left(t.Context(), []*cluster.Node{n}); err == nil || left != nil || !strings.Contains(err.Error(), "rabbitmqctl list_queues") {
		t.Errorf("%v %v", left, err)
	}
	if facts, err := s.told.fresh(t.Context(), n); !errors.Is(err, cluster.ErrCannot) {
		t.Errorf("%v %v", facts, err)
	}
}

func TestSettingsWarn(t *testing.T) {
	s := attach(t, targets.Access{}, "aftershock_x")
	warned := func(facts string) (names []string) {
		for _, setting := range s.settings(parse(facts)) {
			if setting.Warning != "" {
				names = append(names, setting.Name)
			}
		}
		return names
	}
	const good = "members=3 running=3 partition_handling=pause_minority group=3 disk_free_limit=2000000000 disk_free=9000000000 alarms=[] ticktime=60"
	if names := warned(good); names != nil {
		t.Errorf("%q", names)
	}
	for _, c := range [][3]string{
		{"members=3", "members=4", "cluster members,running members"}, {"running=3", "running=2", "running members"}, {"group=3", "group=1", "quorum group size"},
		{"pause_minority", "ignore", "cluster_partition_handling"}, {"pause_minority", "autoheal", "cluster_partition_handling"},
		{"limit=2000000000", "limit=50000000", "disk_free_limit"}, {"free=9000000000", "free=1", "disk free"}, {"alarms=[]", "alarms=[x]", "alarms"},
	} {
		if names := strings.Join(warned(strings.Replace(good, c[0], c[1], 1)), ","); names != c[2] {
			t.Errorf("%s: %s", c[1], names)
		}
	}
	classic := attach(t, targets.Access{}, "aftershock_x", optQueue, classic)
	if classic.queueType().Warning == "" || slices.ContainsFunc(classic.settings(parse(good)), func(s targets.Setting) bool { return s.Name == "quorum group size" }) {
		t.Error("a classic queue is taken for a quorum queue")
	}
}

func TestIll(t *testing.T) {
	const good = "ready=true leader=rabbit@a self=rabbit@a term=1 missing=[] partitions=0 down=0 amiss=[] unacked=0"
	if said := ill(parse(good)); said != "" {
		t.Error(said)
	}
	for _, c := range [][2]string{{"missing=[]", "missing=[rabbit@b]"}, {"partitions=0", "partitions=1"}, {"down=0", "down=1"}, {"amiss=[]", "amiss=[candidate]"},
		{"unacked=0", "unacked=3"}, {"leader=rabbit@a", "leader=undefined"}, {"unacked=0", ""}} {
		if said := ill(parse(strings.Replace(good, c[0], c[1], 1))); said == "" {
			t.Errorf("%s is healthy", c[1])
		}
	}
}
