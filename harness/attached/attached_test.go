package attached

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/plan"
)

func TestHere(t *testing.T) {
	t.Setenv("SHOP_PASSWORD", "secret")
	t.Setenv("OTHER", "there")
	p := &plan.Plan{Target: plan.Target{Connect: attach.Connect{Password: "${SHOP_PASSWORD}"}}}
	said, err := Here(p)(t.Context(), []string{"env"})
	if err != nil || strings.Contains(string(said), "secret") || !strings.Contains(string(said), "OTHER=there") {
		t.Errorf("%v\n%s", err, said)
	}
	said, err = Here(p)(t.Context(), []string{"sh", "-c", "echo no such node >&2; exit 3"})
	if err == nil || string(said) != "no such node\n" {
		t.Errorf("%v %q", err, said)
	}
	if _, err = Here(p)(t.Context(), []string{"no-such-program"}); err == nil {
		t.Error("a program that is not there ran")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err = Here(p)(ctx, []string{"sh", "-c", "sleep 60 & sleep 60"}); err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("it was not ended: %v", err)
	}
}

func TestRunsOf(t *testing.T) {
	got := runsOf([]string{"aftershock_abcdefghijkl_register", "aftershock_abcdefghijkl_marker", "aftershock_mnopqrstuvwx:s0", "aftershock_x"})
	if strings.Join(got, " ") != "aftershock_abcdefghijkl aftershock_mnopqrstuvwx aftershock_x" {
		t.Error(got)
	}
}

func TestReaders(t *testing.T) {
	said, err := readHAProxy([]byte("# pxname,svname,qcur,status\nprimary,FRONTEND,0,OPEN\nprimary,db1,0,DOWN\nprimary,db2,0,UP 1/2\nprimary,BACKEND,0,UP\nreplicas,db1,0,DOWN\n"))
	if err != nil || said != "primary → db2; replicas → nobody" {
		t.Error(said, err)
	}
	said, err = readPatroni([]byte(`{"members": [{"name": "db2", "role": "leader", "state": "running"}, {"name": "db1", "role": "replica", "state": "streaming"}]}`))
	if err != nil || said != "db1 replica streaming; db2 leader running" {
		t.Error(said, err)
	}
	for _, body := range []string{"", "<html>", "a,b\n1,2\n", "{}"} {
		if said, err := readHAProxy([]byte(body)); err == nil {
			t.Errorf("HAProxy said %q by %q", said, body)
		}
		if said, err := readPatroni([]byte(body)); err == nil {
			t.Errorf("Patroni said %q by %q", said, body)
		}
	}
}
