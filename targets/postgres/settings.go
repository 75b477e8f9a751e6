package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// settingsQuery asks for what matters to durability, as it is for this user.
const settingsQuery = `SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'synchronous_standby_names', 'fsync',
 'full_page_writes', 'wal_level', 'wal_sync_method', 'data_checksums', 'max_wal_senders', 'server_version', 'default_transaction_read_only')`

// factsQuery asks for the rest: the role, how many standbys are connected, and the
// replication slots.
const factsQuery = `SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_replication),
 (SELECT string_agg(slot_name || CASE WHEN active THEN ' (active)' ELSE ' (inactive)' END, ', ' ORDER BY slot_name) FROM pg_replication_slots),
 (SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots WHERE NOT active)`

// facts are what a server tells of its configuration.
type facts struct {
	of       map[string]string // of pg_settings
	standby  bool
	standbys string // that are connected to it, a number
	slots    string
	inactive string // slots of which nobody reads
	grant    string // what the user lacks; empty: nothing
}

// Settings asks a node for what matters to durability.
func (s *Attached) Settings(ctx context.Context, n *cluster.Node) ([]targets.Setting, error) {
	f := facts{of: map[string]string{}}
	err := kit.Ask(ctx, &s.operators, n, func(c *session) error {
		rows, err := c.query(ctx, settingsQuery)
		if err != nil {
			return err
		}
		for _, row := range rows {
			f.of[row[0]] = row[1]
		}
		if rows, err = c.query(ctx, factsQuery); err != nil {
			return err
		}
		if len(rows) != 1 || len(rows[0]) != 4 {
			return errReply
		}
		f.standby, f.standbys, f.slots, f.inactive = rows[0][0] == "t", rows[0][1], rows[0][2], rows[0][3]
		if !c.sees {
			f.grant = s.grant()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w", n.Name, err)
	}
	return f.settings(), nil
}

// settings are in the order in which one would look at them.
func (f facts) settings() []targets.Setting {
	role := string(targets.Primary)
	if f.standby {
		role = string(targets.Replica)
	}
	list := []targets.Setting{
		{Name: "version", Value: f.of["server_version"]},
		{Name: "role", Value: role},
		f.commit(),
		f.names(),
		f.one("fsync", "off", "the server syncs nothing to disk: a power loss, or a crash of the machine, may lose or spoil everything"),
		f.one("full_page_writes", "off", "a power loss in the middle of a write may leave torn pages that recovery does not mend"),
		f.one("wal_level", "minimal", "nothing can be replicated from this server"),
		f.one("wal_sync_method", "", ""),
		f.one("data_checksums", "off", "what the disk spoils is not noticed"),
		f.one("max_wal_senders", "0", "no standby can connect to this server"),
		f.one("default_transaction_read_only", "on", "this user's writes are refused, also by the primary"),
		{Name: "replication slots", Value: f.slots},
	}
	if f.inactive != "" {
		list[len(list)-1].Warning = "nobody reads from " + f.inactive + ": the server keeps its log for it until the disk is full"
	}
	if f.grant != "" {
		list = append(list, targets.Setting{Name: "rights", Value: "ordinary user",
			Warning: "the state of replication is hidden from this user: timelines and lag are not told, and a standby counts as connected when its receiver runs: " + f.grant})
	}
	return list
}

// one is a parameter that is warned of at one of its values.
func (f facts) one(name, bad, warning string) targets.Setting {
	s := targets.Setting{Name: name, Value: f.of[name]}
	if bad != "" && s.Value == bad {
		s.Warning = warning
	}
	return s
}

// commit is synchronous_commit. What it says of standbys counts only where some
// are named.
func (f facts) commit() targets.Setting {
	s := f.one("synchronous_commit", "off", "a commit is acknowledged before the primary's own disk has it: a crash of the server loses the last ones")
	named := f.of["synchronous_standby_names"] != ""
	switch {
	case s.Value == "local" && named:
		s.Warning = "this user's commits do not wait for the standbys that synchronous_standby_names names: a failover may lose acknowledged ones"
	case s.Value == "remote_write" && named:
		s.Warning = "a standby acknowledges what its operating system has, not its disk: a power loss on both sides may lose acknowledged commits"
	}
	return s
}

// names is synchronous_standby_names; on a standby it says nothing of today.
func (f facts) names() targets.Setting {
	s := targets.Setting{Name: "synchronous_standby_names", Value: f.of["synchronous_standby_names"]}
	switch {
	case f.standby:
	case strings.TrimSpace(s.Value) == "":
		s.Warning = "commits are acknowledged by the primary alone: a failover may lose the last ones"
	case f.standbys == "0":
		s.Warning = "no standby is connected: commits that wait for one wait for ever"
	}
	return s
}
