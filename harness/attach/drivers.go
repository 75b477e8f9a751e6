package attach

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/schema"
)

// MostDrivers bounds the drivers of a plan.
const MostDrivers = 128

// Where drivers of a deployment that somebody else runs can be.
const (
	OnPods  = "kubernetes"
	OnHosts = "ssh"
)

// Drivers are the processes that drive the load, each on a node of its own beside the
// target's nodes, or where a deployment of somebody else's is reached from. Without any the
// harness drives it.
type Drivers struct {
	Count int
	On    string // empty: on the run's host, or as Place says
	// SSH are the hosts that have them, in turn; of it the server is not used.
	SSH SSH
}

// Asked tells whether there are any.
func (d Drivers) Asked() bool { return d.Count > 0 }

// Placed tells whether it is said where they are.
func (d Drivers) Placed() bool { return d.On != "" || d.SSH.asked() }

// Names are what the nodes of the drivers are called.
func (d Drivers) Names() []string {
	names := make([]string, d.Count)
	for i := range names {
		names[i] = fmt.Sprintf("driver%d", i+1)
	}
	return names
}

// Clone shares nothing with the drivers that a change of either could show.
func (d Drivers) Clone() Drivers {
	d.SSH = d.SSH.clone()
	return d
}

// Place is where the drivers of a deployment are, OnPods or OnHosts; empty: nobody says.
func (d Drivers) Place(a Attach) string {
	switch {
	case d.On == "" && d.SSH.asked():
		return OnHosts
	case d.On == "" && a.OfPods():
		return OnPods
	case d.On == OnPods || d.On == OnHosts:
		return d.On
	}
	return ""
}

// CheckDrivers finds what cannot be meant by where drivers are. The paths of what it finds
// begin with "drivers".
func CheckDrivers(d Drivers, a Attach) []Mistake {
	var found []Mistake
	for _, m := range d.SSH.check() {
		m.Path = "drivers" + strings.TrimPrefix(m.Path, "attach")
		m.Remedy = strings.ReplaceAll(m.Remedy, "attach.ssh", "drivers.ssh")
		found = append(found, m)
	}
	switch {
	case a.Asked() && d.Place(a) == "":
		found = append(found, mistake("drivers.on", "drivers of a deployment that somebody else runs are where it is reached from: pods of a Kubernetes cluster, or processes on hosts", "write on: kubernetes, or ssh: {hosts: [load1, load2]}, or leave drivers out"))
	case a.Asked() && (d.Place(a) == OnHosts) != d.SSH.asked():
		found = append(found, mistake("drivers.ssh", "hosts of drivers and on: ssh belong together", "name the hosts, ssh: {hosts: [load1, load2]}, and leave on out"))
	case !a.Asked() && d.SSH.asked():
		found = append(found, mistake("drivers.ssh", "drivers on hosts do not reach nodes that are launched: they are launched beside the nodes", "leave ssh out"))
	}
	return found
}

// DriverKeys are what a plan says of drivers; hosts are those on which nodes are launched,
// none: any.
func DriverKeys(hosts []string) []schema.Key[Drivers] {
	places := slices.Clone(hosts)
	for _, name := range []string{OnPods, OnHosts} {
		if len(hosts) > 0 && !slices.Contains(places, name) { // else any, as of the host
			places = append(places, name)
		}
	}
	return []schema.Key[Drivers]{
		{Field: schema.Field{Name: "count", Type: schema.Whole, Min: 1, Max: MostDrivers, Absent: "none", Example: "3",
			Meaning: "how many"},
			At: func(d *Drivers) any { return &d.Count }},
		{Field: schema.Field{Name: "on", Type: schema.Word, Words: places, Absent: "where the target's nodes are", Example: "local",
			Meaning: "where they are launched: where the target's nodes are, or, of a deployment that is attached to, as pods in the namespace of KUBECONFIG (kubernetes), or on hosts (ssh)"},
			At: func(d *Drivers) any { return &d.On }},
		schema.Group(schema.Field{Name: "ssh", Absent: "they are on no host", Example: "{hosts: [load1, load2]}",
			Meaning: "the hosts that have them, in turn, each a process of the user who logs in"},
			driverHostKeys(), func(d *Drivers) *SSH { return &d.SSH }),
	}
}

func driverHostKeys() []schema.Key[SSH] {
	return []schema.Key[SSH]{
		{Field: schema.Field{Name: "hosts", Type: schema.List, Of: schema.Text, Max: MostDrivers, Absent: "none: name them", Example: "[load1, load2]",
			Meaning: "the hosts, as ssh is given them"},
			At: func(s *SSH) any { return &s.Hosts }},
		{Field: schema.Field{Name: "user", Type: schema.Text, Absent: "as ssh's configuration says", Example: "bench",
			Meaning: "who logs in; nobody has to be root"},
			At: func(s *SSH) any { return &s.User }},
		{Field: schema.Field{Name: "port", Type: schema.Whole, Min: 1, Max: 65535, Absent: "as ssh's configuration says", Example: "2222",
			Meaning: "the port of ssh"},
			At: func(s *SSH) any { return &s.Port }},
		{Field: schema.Field{Name: "config", Type: schema.Text, Absent: "~/.ssh/config", Example: "hosts/ssh_config",
			Meaning: "a file of ssh's configuration, as with ssh -F"},
			At: func(s *SSH) any { return &s.Config }},
	}
}
