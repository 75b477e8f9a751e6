package attach

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// SSH is hosts that are reached by ssh, each with one server.
type SSH struct {
	Hosts  []string // as ssh is given them
	User   string   // who logs in; empty: as ssh's configuration says
	Port   int      // of ssh; 0: as ssh's configuration says
	Config string   // a file of ssh's configuration; empty: the user's own

	// Which the server is: a unit of systemd, else a program, else whoever listens on
	// Listen, else on the target's own port.
	Unit    string
	Process string
	Listen  int
	// Start and Stop are commands that do what systemd does for a unit.
	Start, Stop []string
}

func (s SSH) asked() bool {
	return len(s.Hosts) > 0 || s.User != "" || s.Port != 0 || s.Config != "" || s.Unit != "" || s.Process != "" || s.Listen != 0 || len(s.Start) > 0 || len(s.Stop) > 0
}

func (s SSH) clone() SSH {
	s.Hosts, s.Start, s.Stop = slices.Clone(s.Hosts), slices.Clone(s.Start), slices.Clone(s.Stop)
	return s
}

// What may stand in a shell's words without a second meaning.
var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	unitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9@._:-]*$`)
)

func (s SSH) check() []Mistake {
	if !s.asked() {
		return nil
	}
	var found []Mistake
	if len(s.Hosts) == 0 {
		found = append(found, mistake("attach.ssh", "ssh names no host", "add hosts: [db1, db2, db3], as ssh is given them"))
	}
	found = append(found, names("attach.ssh.hosts", s.Hosts)...)
	for i, h := range s.Hosts {
		if h != "" && !hostName.MatchString(h) {
			found = append(found, mistake(schema.Join("attach.ssh.hosts", strconv.Itoa(i)), fmt.Sprintf("%q is no host of ssh's", spelling.Short(h)), "write its name or address alone, and the user in attach.ssh.user"))
		}
	}
	if s.User != "" && !userName.MatchString(s.User) {
		found = append(found, mistake("attach.ssh.user", fmt.Sprintf("%q is no user's name", spelling.Short(s.User)), "write the name alone"))
	}
	if s.Unit != "" && !unitName.MatchString(s.Unit) {
		found = append(found, mistake("attach.ssh.unit", fmt.Sprintf("%q is no unit's name", spelling.Short(s.Unit)), "write it as systemctl lists it"))
	}
	if s.Unit != "" && s.Process != "" {
		found = append(found, mistake("attach.ssh", "unit and process both say which the server is", "keep one of them"))
	}
	if s.Unit != "" && len(s.Start)+len(s.Stop) > 0 {
		found = append(found, mistake("attach.ssh", "the unit is started and stopped by systemctl, and there are commands for it", "take start and stop away, or the unit"))
	}
	if len(s.Stop) > 0 && len(s.Start) == 0 {
		found = append(found, mistake("attach.ssh.stop", "there is a command that stops the server and none that starts it", "add start"))
	}
	return found
}

func sshKeys() []schema.Key[SSH] {
	return []schema.Key[SSH]{
		{Field: schema.Field{Name: "hosts", Type: schema.List, Of: schema.Text, Max: maxNodes, Absent: "none: name them", Example: "[db1, db2, db3]",
			Meaning: "the hosts, as ssh is given them; each is a node"},
			At: func(s *SSH) any { return &s.Hosts }},
		{Field: schema.Field{Name: "user", Type: schema.Text, Absent: "as ssh's configuration says", Example: "root",
			Meaning: "who logs in: root, or who may use sudo without a password"},
			At: func(s *SSH) any { return &s.User }},
		{Field: schema.Field{Name: "port", Type: schema.Whole, Min: 1, Max: 65535, Absent: "as ssh's configuration says", Example: "2222",
			Meaning: "the port of ssh"},
			At: func(s *SSH) any { return &s.Port }},
		{Field: schema.Field{Name: "config", Type: schema.Text, Absent: "~/.ssh/config", Example: "hosts/ssh_config",
			Meaning: "a file of ssh's configuration, as with ssh -F"},
			At: func(s *SSH) any { return &s.Config }},
		{Field: schema.Field{Name: "unit", Type: schema.Text, Absent: "the server is found by process or listen", Example: "postgresql@15-main",
			Meaning: "the server's unit of systemd, which also kills, stops and starts it"},
			At: func(s *SSH) any { return &s.Unit }},
		{Field: schema.Field{Name: "process", Type: schema.Text, Absent: "the server is found by unit or listen", Example: "postgres",
			Meaning: "the server's program; what it has started is part of it"},
			At: func(s *SSH) any { return &s.Process }},
		{Field: schema.Field{Name: "listen", Type: schema.Whole, Min: 1, Max: 65535, Absent: "the target's own", Example: "5433",
			Meaning: "the server's port, by which it is found where neither unit nor process is given"},
			At: func(s *SSH) any { return &s.Listen }},
		{Field: schema.Field{Name: "start", Type: schema.List, Of: schema.Text, Max: maxWords, Absent: "without a unit nothing is killed or stopped", Example: `[pg_ctlcluster, "15", main, start]`,
			Meaning: "the command that starts the server again, as root"},
			At: func(s *SSH) any { return &s.Start }},
		{Field: schema.Field{Name: "stop", Type: schema.List, Of: schema.Text, Max: maxWords, Absent: "without a unit nothing is stopped in order", Example: `[pg_ctlcluster, "15", main, stop]`,
			Meaning: "the command that stops it and keeps whoever supervises it from starting it, as root"},
			At: func(s *SSH) any { return &s.Stop }},
	}
}

// maxWords bounds a command.
const maxWords = 64
