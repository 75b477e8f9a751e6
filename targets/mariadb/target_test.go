package mariadb

import (
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/targets"
)

func TestConfigureSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		target   targets.Target
		replicas int
		option   string
		value    string
		want     string // in the error; empty: none
	}{
		{Target{}, 1, optSemiSync, "ON", ""},
		{Target{}, 0, optSemiSync, "ON", "without a replica"},
		{Target{}, 1, optSemiSync, "yes", optSemiSync},
		{Target{}, 1, optWaitPoint, "AFTER_SINK", "AFTER_SYNC"},
		{Target{}, 1, optTimeout, "10s", "whole number"},
		{Target{}, 1, optTimeout, "-1", "whole number"},
		{Target{}, 1, optParallel, "65", "0 to 64"},
		{Target{}, 1, optParallelMode, "optimist", "optimistic"},
		{Target{}, 1, optFlushLog, "4", optFlushLog},
		{Target{}, 1, optWaitCount, "1001", "0 to 1000"},
		{Target{}, 1, optWaitTime, "2ms", "whole number"},
		{Target{}, 1, "sync_binlogs", "1", "sync_binlog"},
		{Target{}, -1, optSyncBinlog, "1", "negative"},
		{Galera{}, 2, optSuspect, "1s", ""},
		{Galera{}, 2, optSuspect, "100ms", "out of range"},
		{Galera{}, 2, optSyncWait, "16", "0 to 15"},
		{Galera{}, 2, optApplier, "0", "1 to 64"},
		{Galera{}, 2, optRetryAuto, "x", "whole number"},
	} {
		_, err := c.target.Configure(targets.Config{Replicas: c.replicas, Options: map[string]string{c.option: c.value}})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s=%s: %v", c.option, c.value, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s=%s: %v, want %q in it", c.option, c.value, err, c.want)
		}
	}
}

func TestModesAreValid(t *testing.T) {
	for _, target := range []targets.Target{Target{}, Galera{}} {
		for _, m := range target.Info().Modes {
			if _, err := target.Configure(targets.Config{Replicas: m.Replicas, Options: m.Options}); err != nil {
				t.Errorf("%s/%s: %v", target.Info().Name, m.Name, err)
			}
		}
	}
}

func TestServersOptionFile(t *testing.T) {
	system, err := Target{}.Configure(targets.Config{Replicas: 2, Options: map[string]string{optSemiSync: on, optParallel: "4"}})
	if err != nil {
		t.Fatal(err)
	}
	spec := system.Server(nil, 1)
	file := spec.Files["{data}/my.cnf"]
	for _, line := range []string{"server_id=2", "slave_parallel_threads=4", "rpl_semi_sync_slave_enabled=ON", "datadir={data}/db", "read_only=ON"} {
		if !strings.Contains(file, "\n"+line+"\n") {
			t.Errorf("my.cnf lacks %s:\n%s", line, file)
		}
	}
	if spec.User != "mysql" {
		t.Errorf("user %q", spec.User)
	}
	if !strings.Contains(spec.Files["{data}/init.sql"], "rpl_semi_sync_master_enabled") {
		t.Errorf("init.sql does not resume semi-sync: %s", spec.Files["{data}/init.sql"])
	}
	for statement := range strings.Lines(spec.Files["{data}/schema.sql"] + spec.Files["{data}/init.sql"]) {
		if !strings.HasSuffix(statement, ";\n") {
			t.Errorf("a statement of a bootstrap file must end on its line: %q", statement)
		}
	}
}

// Galera refuses beats that are longer than a third of evs.suspect_timeout or
// shorter than 100 ms.
func TestProviderOptions(t *testing.T) {
	for suspect, want := range map[time.Duration]string{
		500 * time.Millisecond: "evs.keepalive_period=PT0.1S",
		time.Second:            "evs.keepalive_period=PT0.2S",
		5 * time.Second:        "evs.keepalive_period=PT1S",
	} {
		if got := providerOptions(suspect); !strings.Contains(got, want+";") {
			t.Errorf("%v: %s lacks %s", suspect, got, want)
		}
	}
}

func TestFirstView(t *testing.T) {
	want := `my_uuid: a0000002-0000-11f0-8000-000000000001
#vwbeg
view_id: 3 a0000001-0000-11f0-8000-000000000001 1
bootstrap: 0
member: a0000001-0000-11f0-8000-000000000001 0
member: a0000002-0000-11f0-8000-000000000001 0
#vwend
`
	if got := firstView(1, 2); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestPositions(t *testing.T) {
	const id = "6d617269-6164-6220-6166-746572736863"
	for state, want := range map[string]string{
		"# GALERA saved state\nversion: 2.1\nuuid:    " + id + "\nseqno:   17\nsafe_to_bootstrap: 0\n": id + ":17",
		"uuid:    " + id + "\nseqno:   -1\n": "", // crashed
		"":                                   "",
	} {
		if got, ok := savedPosition([]byte(state)); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", state, got, ok)
		}
	}
	for log, want := range map[string]string{
		"2026-01-02 03:04:05 0 [Note] WSREP: Recovered position: " + id + ":253\nmore\n":      id + ":253",
		"0 [Note] WSREP: Recovered position: 00000000-0000-0000-0000-000000000000:-1,0-1-2\n": unknownPosition,
		"[ERROR] Aborting\n": "",
	} {
		if got, ok := recovered([]byte(log)); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", log, got, ok)
		}
	}
}
