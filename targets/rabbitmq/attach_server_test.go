package rabbitmq

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/attachtest"
)

// broker is a RabbitMQ that somebody else runs, beside which commands can be run.
type broker struct {
	cluster.Control
	dir     string
	env     []string
	as      *syscall.SysProcAttr
	node    *cluster.Node
	tls     *tls.Config
	inClear string // the address that speaks no TLS
}

func (b *broker) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = b.env, b.dir, b.as
	cmd.WaitDelay = time.Second
	return cmd
}

// Run runs a command as an engine's exec would.
func (b *broker) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	return b.command(ctx, spec.Command[0], spec.Command[1:]...).CombinedOutput()
}

// DialServer is the network's here.
func (b *broker) DialServer(ctx context.Context, port int) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

func (b *broker) access(user, password string) targets.Access {
	return targets.Access{User: user, Password: password, TLS: b.tls, Database: "shop"}
}

const appPassword = "s3cret-of-the-app"

// serve starts a broker that has a virtual host "shop" and users: app with what the
// remedy says is enough, mute without rights.
func serve(t *testing.T) *broker {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "attached-rabbitmq-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pool, _ := attachtest.Certificates(t, dir, "app")
	inClear, secure, names, dist := attachtest.FreePort(t), attachtest.FreePort(t), attachtest.FreePort(t), attachtest.FreePort(t)
	conf := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlisteners.ssl.1 = 127.0.0.1:%d\nssl_options.cacertfile = %[3]s/ca.crt\nssl_options.certfile = %[3]s/server.crt\nssl_options.keyfile = %[3]s/server.key\nlog.file = false\nlog.console = true\n", inClear, secure, dir)
	for name, text := range map[string]string{"rabbitmq.conf": conf, "plugins": "[].\n", ".erlang.cookie": "attached"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := &broker{dir: dir, as: attachtest.Unprivileged(t, user), inClear: fmt.Sprintf("127.0.0.1:%d", inClear), tls: &tls.Config{RootCAs: pool, ServerName: attachtest.ServerName}}
	if b.as != nil {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				err = os.Chown(path, int(b.as.Credential.Uid), int(b.as.Credential.Gid))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.env = []string{"HOME=" + dir, "LANG=C.UTF-8", "PATH=" + filepath.Dir(path) + ":" + os.Getenv("PATH"), fmt.Sprintf("ERL_EPMD_PORT=%d", names), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=attached@localhost", fmt.Sprintf("RABBITMQ_DIST_PORT=%d", dist), "RABBITMQ_MNESIA_BASE=" + dir + "/db", "RABBITMQ_LOG_BASE=" + dir, "RABBITMQ_LOGS=-",
		"RABBITMQ_CONF_ENV_FILE=" + dir + "/none", "RABBITMQ_CONFIG_FILE=" + dir + "/rabbitmq.conf", "RABBITMQ_ENABLED_PLUGINS_FILE=" + dir + "/plugins", "RABBITMQ_GENERATED_CONFIG_DIR=" + dir,
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}", "RABBITMQ_MAX_NUMBER_OF_PROCESSES=65536", "ERL_CRASH_DUMP_SECONDS=0"}
	b.start(t, "epmd")
	b.start(t, path)
	b.node = &cluster.Node{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1"), Port: secure, Control: b}
	b.prepare(t)
	return b
}

// start starts a program with whatever it starts, which all end with the test.
func (b *broker) start(t *testing.T, program string) {
	t.Helper()
	cmd := b.command(context.Background(), program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if b.as != nil {
		cmd.SysProcAttr.Credential = b.as.Credential
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		_, _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL), cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", program, log.String())
		}
	})
}

func (b *broker) prepare(t *testing.T) {
	t.Helper()
	app := &login{Access: b.access("app", "")}
	rights := strings.Split(app.grant(""), "'")
	text := func(s string) string { return erlangBinary(s) }
	source := fmt.Sprintf(`{ok, V} = application:get_key(rabbit, vsn), true = rabbit_boot_state:get() =:= ready,
rabbit_vhost:add(<<"shop">>, <<"t">>), rabbit_auth_backend_internal:add_user(<<"app">>, %s, <<"t">>), rabbit_auth_backend_internal:add_user(<<"mute">>, <<"mute">>, <<"t">>),
rabbit_auth_backend_internal:set_permissions(<<"app">>, <<"shop">>, %s, %s, %s, <<"t">>),
rabbit_auth_backend_internal:set_permissions(<<"mute">>, <<"shop">>, <<"^$">>, <<"^$">>, <<"^$">>, <<"t">>), list_to_binary(V).`,
		text(appPassword), text(rights[1]), text(rights[3]), text(rights[5]))
	err := kit.Retry(bounded(t), 200*time.Millisecond, "wait for RabbitMQ", func() error {
		output, err := b.Run(bounded(t), cluster.ServerSpec{Command: []string{"sh", "-c", askScript, "ask", source}})
		if err == nil && !bytes.Contains(output, []byte("<<")) {
			err = fmt.Errorf("it said %s", output)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

var brief = targets.ClientOptions{ConnectTimeout: 20 * time.Second, OpTimeout: 20 * time.Second}

// TestAttach is a run's way through a server of somebody else's: it makes its queues,
// works on them, looks on, and leaves nothing.
func TestAttach(t *testing.T) {
	b := serve(t)
	t.Run("refused", func(t *testing.T) { refused(t, b) })
	t.Run("works", func(t *testing.T) { works(t, b) })
}

func refused(t *testing.T, b *broker) {
	dead := &cluster.Node{Name: "n2", Index: 1, Addr: b.node.Addr, Port: 1}
	stranger := b.access("app", appPassword)
	stranger.TLS = &tls.Config{ServerName: attachtest.ServerName}
	nowhere := b.access("app", appPassword)
	nowhere.Database = "nowhere"
	for _, c := range []struct {
		access targets.Access
		more   []*cluster.Node
		want   string
	}{
		{b.access("app", "wrong"), nil, `refuses user "app"`},
		{b.access("mute", "mute"), nil, "set_permissions"},
		{nowhere, nil, `virtual host "nowhere"`},
		{stranger, nil, "target.connect.ca"},
		{b.access("app", appPassword), []*cluster.Node{dead}, "n2 at 127.0.0.1:1"},
	} {
		s := attach(t, c.access, "aftershock_refused")
		if s.patience = time.Minute; c.more != nil {
			s.patience = 8 * time.Second // nothing but time ends the wait for it
		}
		err := s.Form(bounded(t), append([]*cluster.Node{b.node}, c.more...))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), appPassword) {
			t.Errorf("%s: %v", c.want, err)
		}
		if err := s.Remove(bounded(t), []*cluster.Node{b.node}); err != nil {
			t.Errorf("%s: nothing was made: %v", c.want, err)
		}
	}
	if left := b.queues(t); left != nil {
		t.Errorf("it made %q", left)
	}
}

func (b *broker) queues(t *testing.T) []string {
	t.Helper()
	told := newTold("shop", "aftershock_x")
	defer told.close()
	names, err := told.queues(bounded(t), b.node, "")
	if err != nil {
		t.Error(err)
	}
	return names
}

func works(t *testing.T, b *broker) {
	ctx, nodes := bounded(t), []*cluster.Node{b.node}
	s := attach(t, b.access("app", appPassword), "aftershock_one")
	if err := s.Form(ctx, nodes); err != nil {
		t.Fatal(err)
	}
	door := targets.Door{Role: targets.Primary, Kind: "amqps", Addrs: []string{attachtest.Forwarder(t, kit.ServerAddress(b.node, 0))}}
	c, which, err := s.Enter(ctx, door, nodes, brief)
	if err != nil || which != -1 {
		t.Fatal(which, err)
	}
	defer c.Close()
	do := func(op history.Op) history.Op { c.Do(ctx, &op); return op }
	for value := range int64(3) {
		if op := do(history.Op{Kind: history.Enqueue, Value: value}); op.Outcome != history.OK {
			t.Fatalf("%+v", op)
		}
	}
	if op := do(history.Op{Kind: history.Dequeue}); op.Outcome != history.OK || op.Value != 0 {
		t.Errorf("%+v", op)
	}
	if op := do(history.Op{Kind: history.Drain}); op.Outcome != history.OK || !slices.Equal(op.Elements, []int64{1, 2}) {
		t.Errorf("%+v", op)
	}
	if names := b.queues(t); !slices.Equal(names, []string{"aftershock_one", "aftershock_one.q0.0"}) {
		t.Errorf("there are %q", names)
	}
	err = kit.Retry(ctx, kit.LookEvery, "wait for a status with the queue's term", func() error { // 3.10 tells it after some seconds
		st, err := s.Status(ctx, b.node)
		if err == nil && (st.Role != targets.Primary || !st.Healthy || st.Epoch == 0) {
			err = fmt.Errorf("%+v", st)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if st, err := s.ClientStatus(ctx, b.node); err != nil || st.Role != targets.Primary {
		t.Errorf("%+v %v", st, err)
	}
	settings, err := s.Settings(ctx, b.node)
	if v, verr := s.Version(ctx, b.node); err != nil || verr != nil || v == "" || len(settings) < 8 || settings[0].Value != v {
		t.Errorf("%q %v %v %v", v, settings, err, verr)
	}
	// Another process removes what this one has made, by AMQP alone.
	other := attach(t, b.access("app", appPassword), "aftershock_two")
	if left, err := other.Left(ctx, nodes); err != nil || !slices.Equal(left, []string{"aftershock_one"}) {
		t.Errorf("%q %v", left, err)
	}
	cleaner := attach(t, b.access("app", appPassword), "aftershock_one")
	for range 2 {
		if err := cleaner.Remove(ctx, nodes); err != nil {
			t.Error(err)
		}
	}
	if names := b.queues(t); names != nil {
		t.Errorf("there are %q", names)
	}
	if op := do(history.Op{Kind: history.Dequeue}); op.Outcome != history.Fail || op.Error != history.ErrGone {
		t.Errorf("the queue is gone: %+v", op)
	}
}
