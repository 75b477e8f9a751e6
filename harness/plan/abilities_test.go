package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// upgradePlan is a plan of a target with faults.
func upgradePlan(t *testing.T, target, faults string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.yaml")
	workload := "register"
	if strings.Contains(target, "rabbitmq") {
		workload = "queue"
	}
	text := "target: " + target + "\nworkloads: [{name: " + workload + "}]\nduration: 10s\nfaults: [" + faults + "]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, nil, AnyHost())
	return err
}

// TestUpgradesAsDocumented: what a documentation forbids is refused before anything starts,
// with its reason, and what it allows is not.
func TestUpgradesAsDocumented(t *testing.T) {
	for _, test := range []struct{ target, faults, want string }{
		{`{name: etcd, version: "3.5"}`, `{at: 1s, upgrade: {of: all, to: "3.6"}}, {at: 5s, upgrade: {of: all, to: "3.5"}}`, ""},
		{`{name: etcd, version: "3.4"}`, `{at: 1s, upgrade: {of: n2, to: "3.6"}}`, "upgrades that skip a minor version are not supported"},
		{`{name: etcd, version: "3.5"}`, `{at: 1s, upgrade: {of: n2, to: "3.4"}}`, "etcd 3.5 cannot be downgraded"},
		{`{name: etcd, version: "3.5", versions: {n3: "3.6"}}`, ``, ""},
		{`{name: etcd, version: "3.4", versions: {n3: "3.6"}}`, ``, "skip a minor version"},
		{`{name: etcd, version: "3.4", versions: {n2: "3.5", n3: "3.6"}}`, ``, "skip a minor version"},
		{`{name: etcd, version: "3"}`, `{at: 1s, upgrade: {of: n2, to: "3.6"}}`, "say which minor versions"},
		{`{name: etcd, version: "3.5"}`, `{at: 1s, upgrade: {of: n2, to: "3.6"}}, {at: 3s, upgrade: {of: n2, to: "3.7"}}`, "skip a minor version"},
		{`{name: etcd, version: "3.5"}`, `{at: 1s, upgrade: {of: replica, to: "3.6"}}, {at: 3s, upgrade: {of: n2, to: "3.7"}}`, "skip a minor version"},
		{`{name: postgres, version: "15"}`, `{at: 1s, upgrade: {of: replica, to: "17"}}`, "internal data storage format"},
		{`{name: postgres, version: "17", versions: {n2: "15"}}`, ``, "different major PostgreSQL release levels is not possible"},
		{`{name: redis, version: "7.0"}`, `{at: 1s, upgrade: {of: n2, to: "8.0"}}, {at: 2s, upgrade: {of: n3, to: "8.0"}}, {at: 3s, upgrade: {of: n1, to: "8.0"}}`, ""},
		{`{name: redis, version: "7.0"}`, `{at: 1s, upgrade: {of: all, to: "8.0"}}`, ""},
		{`{name: redis, version: "7.0"}`, `{at: 1s, upgrade: {of: primary, to: "8.0"}}`, "upgrade the replicas first"},
		{`{name: redis, version: "7.0"}`, `{at: 1s, upgrade: {of: n2, to: "8.0"}}, {at: 2s, upgrade: {of: n1, to: "8.0"}}`, "upgrade the replicas first"},
		{`{name: redis, version: "7.0", versions: {n1: "8.0"}}`, ``, "upgrade the replicas first"},
		{`{name: redis, version: "7.0", versions: {n2: "8.0"}}`, ``, ""},
		{`{name: redis, version: "8.0"}`, `{at: 1s, upgrade: {of: n2, to: "7.0"}}`, "no way back"},
		{`{name: rabbitmq, version: "3.10"}`, `{at: 1s, upgrade: {of: all, to: "4.0"}}`, "go by 3.11, 3.12, 3.13"},
		{`{name: rabbitmq, version: "4.0"}`, `{at: 1s, upgrade: {of: all, to: "3.13"}}`, "downgrades are not supported"},
		{`{name: rabbitmq, version: "3.13"}`, `{at: 1s, upgrade: {of: all, to: "4.0"}}`, ""},
		{`{name: nats, version: "2.10"}`, `{at: 1s, upgrade: {of: all, to: "2.14"}}`, ""},
		{`{name: nats, version: "2.14"}`, `{at: 1s, upgrade: {of: all, to: "2.10"}}`, "not recommended"},
		{`{name: ripple, version: "1"}`, `{at: 1s, upgrade: {of: all, to: "2"}}, {at: 3s, upgrade: {of: all, to: "3"}}`, ""},
		{`{name: ripple, version: "1"}`, `{at: 1s, upgrade: {of: n2, to: "3"}}`, "no greeting in common"},
		{`{name: ripple, version: "1"}`, `{every: 2s, pick: [{upgrade: {of: random, to: "3"}}]}`, "no greeting in common"},
		{`{name: ripple, version: "4"}`, ``, "has no version 4"},
		{`{name: ripple, version: "1"}`, `{at: 1s, upgrade: {of: n2, to: "9"}}`, "has no version 9"},
		{`{name: ripple}`, `{at: 1s, upgrade: {of: n2, to: "2"}}`, "it is not said which the others are"},
		{`{name: ripple, version: "1", versions: {n7: "2"}}`, ``, `there is no node "n7"`},
		{`{name: ripple, version: "1", versions: {n2: new}}`, ``, "is not a version"},
		{`{name: ripple, version: "1", spares: 1}`, `{at: 1s, upgrade: {of: n2, to: "2"}}`, "members cannot come and go"},
		{`{name: etcd, version: "3.5", image: "mine:1"}`, `{at: 1s, upgrade: {of: n2, to: "3.6"}}`, "one image is named"},
		{`{name: etcd, attach: {containers: [a, b, c]}}`, `{at: 1s, upgrade: {of: a, to: "3.6"}}`, "are theirs to replace"},
		{`{name: etcd, attach: {containers: [a, b, c]}}`, `{at: 1s, do: etcd.compact}`, "has no tasks here"},
		{`{name: redis, attach: {containers: [a, b, c]}}`, `{at: 1s, do: redis.bgsave}`, ""},
		{`{name: memcached, version: "1.6.18"}`, `{at: 1s, upgrade: {of: n1, to: "1.6.38"}}`, "does not know how servers of several versions"},
	} {
		err := upgradePlan(t, test.target, test.faults)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s: %v, want %q", test.target, test.faults, err, test.want)
		}
	}
}

// TestBecomes: a node has what it may be upgraded to, by name or by word.
func TestBecomes(t *testing.T) {
	plans, err := Parse("x.yaml", []byte("target: {name: ripple, version: '1', versions: {n3: '2'}}\nworkloads: [{name: register}]\nfaults: [{at: 1s, upgrade: {of: n2, to: '2'}}, {at: 2s, upgrade: {of: replica, to: '1'}}]\n"), nil, AnyHost())
	if err != nil {
		t.Fatal(err)
	}
	p := plans[0]
	wanted, _, _ := p.Versions()
	starts, err := p.Starts(wanted)
	if err != nil || starts[0].String() != "1" || starts[2].String() != "2" {
		t.Errorf("the nodes start with %v, %v", starts, err)
	}
	becomes, err := p.Becomes()
	if err != nil || len(becomes[0]) != 1 || len(becomes[1]) != 2 || becomes[2][0].String() != "1" {
		t.Errorf("they become %v, %v", becomes, err)
	}
}
