package postgres

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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/attachtest"
)

// deployment is a primary and a standby that somebody else runs.
type deployment struct {
	dir, bin string
	as       *syscall.SysProcAttr
	nodes    []*cluster.Node
	pool     *x509.CertPool
	client   tls.Certificate // of user "carded"
}

// appPassword is that of the ordinary user.
const appPassword = "s3cret-of-the-app"

// deploy starts both servers: TLS alone on the network, passwords by SCRAM.
func deploy(t *testing.T) *deployment {
	t.Helper()
	server, err := kit.Find(program())
	if err != nil {
		t.Skip(err)
	}
	if real, err := filepath.EvalSymlinks(server); err == nil {
		server = real
	}
	d := &deployment{bin: filepath.Dir(server), as: attachtest.Unprivileged(t, "postgres")}
	if d.dir, err = os.MkdirTemp("", "pg"); err != nil { // a socket's path has to be short
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(d.dir) })
	if err := os.Chmod(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d.certificates(t)
	d.own(t, d.dir)
	d.tool(t, "initdb", "-D", d.path("n1"), "-U", operatorRole, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	d.configure(t, "n1")
	d.start(t, "n1")
	for _, sql := range []string{
		"CREATE ROLE app LOGIN PASSWORD '" + appPassword + "'", "CREATE ROLE guest LOGIN PASSWORD 'guest'", "CREATE ROLE carded LOGIN",
		"CREATE ROLE watcher LOGIN PASSWORD 'watcher' IN ROLE pg_monitor", "CREATE ROLE plain LOGIN PASSWORD 'plain'",
		"SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'old'", "CREATE DATABASE shop",
	} {
		d.sql(t, "n1", "postgres", sql)
	}
	d.sql(t, "n1", "shop", "GRANT CREATE ON SCHEMA public TO app, watcher, carded, plain, old")
	d.tool(t, "pg_basebackup", "-h", d.dir, "-p", strconv.Itoa(d.nodes[0].Port), "-U", operatorRole, "-D", d.path("n2"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	d.configure(t, "n2")
	d.start(t, "n2")
	return d
}

func (d *deployment) path(name string) string { return filepath.Join(d.dir, name) }

func (d *deployment) own(t *testing.T, root string) {
	t.Helper()
	if d.as == nil {
		return
	}
	err := filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(d.as.Credential.Uid), int(d.as.Credential.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *deployment) tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(d.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir = d.as, d.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// sql runs a statement as the superuser, through the socket.
func (d *deployment) sql(t *testing.T, node, database, statement string) string {
	t.Helper()
	return strings.TrimSpace(d.tool(t, "psql", "-h", d.dir, "-p", strconv.Itoa(d.of(node).Port), "-U", operatorRole, "-d", database, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement))
}

func (d *deployment) of(name string) *cluster.Node {
	for _, n := range d.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// configure adds what the server needs to a data directory, and a node of it.
func (d *deployment) configure(t *testing.T, name string) {
	t.Helper()
	number := attachtest.FreePort(t)
	d.nodes = append(d.nodes, &cluster.Node{Name: name, Index: len(d.nodes), Addr: netip.MustParseAddr("127.0.0.1"), Port: number})
	conf := fmt.Sprintf("listen_addresses='127.0.0.1'\nport=%d\nunix_socket_directories='%s'\nssl=on\nssl_cert_file='%[2]s/server.crt'\nssl_key_file='%[2]s/server.key'\nssl_ca_file='%[2]s/ca.crt'\n"+
		"shared_buffers=16MB\nfsync=off\nhuge_pages=off\ndynamic_shared_memory_type=mmap\nwal_retrieve_retry_interval=100ms\nsynchronous_commit=on\nhba_file='%[2]s/hba.conf'\nident_file='%[2]s/ident.conf'\n", number, d.dir)
	file, err := os.OpenFile(filepath.Join(d.path(name), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(conf); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
}

func (d *deployment) start(t *testing.T, name string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(d.bin, "postgres"), "-D", d.path(name))
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = d.as, d.dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		_ = cmd.Wait() // killed by us
		if t.Failed() {
			t.Logf("%s:\n%s", name, log.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := kit.Retry(ctx, 20*time.Millisecond, "wait for "+name, func() error {
		cmd := exec.Command(filepath.Join(d.bin, "pg_isready"), "-h", d.dir, "-p", strconv.Itoa(d.of(name).Port))
		cmd.SysProcAttr, cmd.Dir = d.as, d.dir
		return cmd.Run()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pooler starts pgbouncer before the primary, in its mode of transactions.
func (d *deployment) pooler(t *testing.T) string {
	t.Helper()
	path, err := kit.Find(targets.Server{Program: "pgbouncer", Search: []string{"/usr/sbin/pgbouncer"}, Install: "apt-get install pgbouncer"})
	if err != nil {
		t.Skip(err)
	}
	number := attachtest.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", number)
	conf := fmt.Sprintf("[databases]\nshop = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\nunix_socket_dir=\npool_mode=transaction\ndefault_pool_size=3\nauth_type=scram-sha-256\nauth_file=%[3]s/users\n"+
		"client_tls_sslmode=require\nclient_tls_cert_file=%[3]s/server.crt\nclient_tls_key_file=%[3]s/server.key\nserver_tls_sslmode=require\n", d.nodes[0].Port, number, d.dir)
	for name, text := range map[string]string{"pgbouncer.ini": conf, "users": `"app" "` + appPassword + `"`} {
		if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.own(t, d.path("pgbouncer.ini"))
	d.own(t, d.path("users"))
	var log bytes.Buffer
	cmd := exec.Command(path, d.path("pgbouncer.ini"))
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = d.as, d.dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = kit.Retry(ctx, 10*time.Millisecond, "wait for pgbouncer", func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// certificates makes those of the server and of a client, and who gets in how.
func (d *deployment) certificates(t *testing.T) {
	t.Helper()
	d.pool, d.client = attachtest.Certificates(t, d.dir, "carded")
	for name, text := range map[string]string{
		"ident.conf": "",
		"hba.conf": "local all all trust\nlocal replication all trust\nhostssl all carded all cert\nhostssl all plain all password\nhostnossl all plain all password\n" +
			"hostssl all old all md5\nhostnossl all old all md5\nhostssl all all all scram-sha-256\n",
	} {
		if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
