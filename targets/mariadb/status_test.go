package mariadb

import (
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/targets"
)

func TestSequence(t *testing.T) {
	for list, want := range map[string]uint64{"": 0, "0-1-17": 17, "1-1-3,0-2-18446744073709551615": 18446744073709551615, " 0-3-4 , 1-1-1": 4, "5-1-1": 0} {
		if got, err := sequence(list); got != want || err != nil {
			t.Errorf("%q: %d %v, want %d", list, got, err, want)
		}
	}
	for _, list := range []string{"0-1", "0-1-x", "0-1-2-3", "0-1--1"} {
		if got, err := sequence(list); err == nil {
			t.Errorf("%q: %d", list, got)
		}
	}
}

func TestStatus(t *testing.T) {
	self := func(id, promoted, readOnly, logged, applied string) map[string]string {
		return map[string]string{"id": id, "read_only": readOnly, "epoch": "3", "promoted": promoted, "logged": logged, "applied": applied}
	}
	slave := func(io, sql, received string) map[string]string {
		return map[string]string{"Slave_IO_Running": io, "Slave_SQL_Running": sql, "Gtid_IO_Pos": received}
	}
	for _, c := range []struct {
		name        string
		self, slave map[string]string
		want        targets.Status // Role, Position, Healthy
	}{
		{"primary", self("1", "1", "0", "0-1-7", ""), nil, targets.Status{Role: targets.Primary, Position: 7, Healthy: true}},
		{"promoted once, now read only", self("1", "1", "1", "0-1-7", ""), nil, targets.Status{Role: targets.Replica, Position: 7}},
		{"writable, but another was promoted", self("1", "2", "0", "0-2-9", "0-2-9"), nil, targets.Status{Role: targets.Replica, Position: 9}},
		{"replica", self("2", "1", "1", "0-1-7", "0-1-7"), slave("Yes", "Yes", "0-1-7"), targets.Status{Role: targets.Replica, Position: 7, Healthy: true}},
		{"behind", self("2", "1", "1", "0-1-6", "0-1-6"), slave("Yes", "Yes", "0-1-7"), targets.Status{Role: targets.Replica, Position: 7}},
		{"connecting", self("2", "1", "1", "0-1-7", "0-1-7"), slave("Connecting", "Yes", ""), targets.Status{Role: targets.Replica, Position: 7}},
		{"stopped", self("2", "1", "1", "0-1-7", "0-1-7"), slave("Yes", "No", "0-1-7"), targets.Status{Role: targets.Replica, Position: 7}},
	} {
		got, err := status(c.self, c.slave)
		if err != nil || got.Role != c.want.Role || got.Position != c.want.Position || got.Healthy != c.want.Healthy || got.Epoch != 3 {
			t.Errorf("%s: %+v %v, want %+v", c.name, got, err, c.want)
		}
	}
	for name, self := range map[string]map[string]string{"no row of the epoch": self("1", "", "1", "", ""), "bad log": self("1", "1", "0", "x", "")} {
		if name == "no row of the epoch" {
			self["epoch"] = ""
		}
		if got, err := status(self, nil); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestReplica(t *testing.T) {
	for _, c := range []struct {
		slave    map[string]string
		diverged bool
		behind   time.Duration
	}{
		{nil, false, -1},
		{map[string]string{"Last_IO_Errno": "0", "Last_SQL_Errno": "0", "Seconds_Behind_Master": "3"}, false, 3 * time.Second},
		{map[string]string{"Last_IO_Errno": "2003", "Last_SQL_Errno": "0", "Seconds_Behind_Master": ""}, false, -1},
		{map[string]string{"Last_IO_Errno": "1236", "Last_SQL_Errno": "0"}, true, -1},
		{map[string]string{"Last_IO_Errno": "0", "Last_SQL_Errno": "1062"}, true, -1},
	} {
		r, err := replicaOf(c.slave, "0-1-5")
		if err != nil || r.diverged() != c.diverged || r.behind != c.behind || r.applied != 5 || r.received != 5 {
			t.Errorf("%v: %+v %v", c.slave, r, err)
		}
	}
}

func TestMember(t *testing.T) {
	all := map[string]string{"wsrep_ready": "ON", "wsrep_local_state_comment": "Synced", "wsrep_cluster_status": "Primary",
		"wsrep_cluster_size": "3", "wsrep_last_committed": "42"}
	m, err := memberOf(all)
	if err != nil || m.size != 3 || !m.status().Healthy || m.status().Position != 42 || m.status().Role != targets.Peer {
		t.Errorf("%+v %v", m, err)
	}
	for name, value := range map[string]string{"wsrep_ready": "OFF", "wsrep_local_state_comment": "Donor/Desynced", "wsrep_cluster_status": "non-Primary"} {
		old := all[name]
		all[name] = value
		if m, err := memberOf(all); err != nil || m.status().Healthy {
			t.Errorf("%s=%s: healthy, %v", name, value, err)
		}
		all[name] = old
	}
	if _, err := memberOf(map[string]string{}); err == nil {
		t.Error("a server without Galera is taken for a member")
	}
	all["wsrep_last_committed"], all["wsrep_cluster_size"] = "-1", "0"
	if m, err := memberOf(all); err != nil || m.committed != 0 {
		t.Errorf("before it joined: %+v %v", m, err)
	}
}
