// Package attach is the part of the plan language that says where a deployment is
// that somebody else made, how clients come in, and who allows that it is broken:
// the keys target.attach and target.connect. It is pure.
package attach

import (
	"maps"
	"slices"

	"github.com/aftershock-chaos/aftershock/schema"
)

// maxNodes bounds the nodes of a deployment, as target.replicas does those of a launch.
const maxNodes = 16

// Attach says which nodes are meant. Exactly one of Compose's, Containers, Kubernetes',
// SSH's and Nodes names them; the zero value is a plan that launches its own.
type Attach struct {
	Compose    Compose
	Containers []string // names or ids
	Kubernetes Kubernetes
	SSH        SSH
	Nodes      []string // host:port, or host: reached by their addresses alone
	// Watch is what stands beside the nodes, each by a URL of its own words, or several
	// with commas between them: haproxy (its page as CSV), patroni (its REST).
	Watch map[string]string
	// Allow is the deployment's name, typed out: it may be broken.
	Allow string
}

// Given attaches to containers that the caller has made, by their ids, and allows
// that they are broken.
func Given(ids []string) Attach {
	if len(ids) == 0 {
		return Attach{Allow: "nothing"} // which is refused: a launch is not what was meant
	}
	var a Attach
	for _, id := range ids {
		a.Containers = append(a.Containers, id[:min(len(id), shortID)])
	}
	a.Allow = a.Containers[0]
	return a
}

// shortID is how much of a container's id people read.
const shortID = 12

// Allows tells whether a name, typed out, is that of the deployment, which is called
// so: of containers without a name of their own it is also the first one's.
func (a Attach) Allows(name, called string) bool {
	return name != "" && (name == called || len(a.Containers) > 0 && name == a.Containers[0])
}

// Compose is services of a compose file.
type Compose struct {
	File     string   // relative to the working directory; empty with a Project
	Project  string   // empty: what compose makes of File's folder
	Services []string // each one node
}

// Asked tells whether the plan attaches at all.
func (a Attach) Asked() bool {
	return a.Compose.asked() || len(a.Containers) > 0 || a.Kubernetes.asked() || a.SSH.asked() || len(a.Nodes) > 0
}

func (c Compose) asked() bool { return c.File != "" || c.Project != "" || len(c.Services) > 0 }

// NodeNames are the names of the nodes, in order: those of services, containers, pods
// and hosts, else, of addresses and of pods whose names do not stay, "n1" and so on as name gives them.
func (a Attach) NodeNames(name func(i int) string) []string {
	switch {
	case len(a.Compose.Services) > 0:
		return slices.Clone(a.Compose.Services)
	case len(a.Containers) > 0:
		return slices.Clone(a.Containers)
	case len(a.SSH.Hosts) > 0:
		return slices.Clone(a.SSH.Hosts)
	}
	if pods := a.Kubernetes.nodeNames(name); pods != nil {
		return pods
	}
	names := make([]string, len(a.Nodes))
	for i := range names {
		names[i] = name(i)
	}
	return names
}

// Clone is a copy that shares nothing.
func (a Attach) Clone() Attach {
	a.Compose.Services, a.Containers, a.Nodes = slices.Clone(a.Compose.Services), slices.Clone(a.Containers), slices.Clone(a.Nodes)
	a.Kubernetes.Pods = slices.Clone(a.Kubernetes.Pods)
	a.SSH = a.SSH.clone()
	a.Watch = maps.Clone(a.Watch)
	return a
}

// Watched are the words of Watch.
func Watched() []string { return []string{"haproxy", "patroni"} }

// Connect says how clients and the harness come in.
type Connect struct {
	Primary  string   // a URL without a password; empty: the node that says it is the primary
	Replicas []string // URLs; empty: the nodes that say they are replicas
	User     string
	Password string // ${NAME} of an environment variable, or file:PATH; see Secret
	Database string
	TLS      string // a word of Modes
	CA       string // files in PEM
	Cert     string
	Key      string
	Server   string // the name that the certificate has to be for; empty: the address
}

// Clone is a copy that shares nothing.
func (c Connect) Clone() Connect {
	c.Replicas = slices.Clone(c.Replicas)
	return c
}

// The words of connect.tls.
const (
	Clear   = "off"     // in the clear
	Encrypt = "encrypt" // TLS with whoever answers
	Verify  = "verify"  // TLS with a certificate of CA, or of the system's authorities, for the name
)

// Modes are the words of connect.tls, the default first.
func Modes() []string { return []string{Clear, Encrypt, Verify} }

// AttachKeys is the table of attach's keys.
func AttachKeys() []schema.Key[Attach] {
	return []schema.Key[Attach]{
		schema.Group(schema.Field{Name: "compose", Absent: "no compose file", Example: "{file: docker-compose.yml, services: [db1, db2, db3]}",
			Meaning: "services of a compose file that is up, each a node with its faults by a guest beside it"},
			composeKeys(), func(a *Attach) *Compose { return &a.Compose }),
		{Field: schema.Field{Name: "containers", Type: schema.List, Of: schema.Text, Max: maxNodes, Absent: "no containers", Example: "[db1, db2, db3]",
			Meaning: "running containers by name or id, each a node, as compose's services are"},
			At: func(a *Attach) any { return &a.Containers }},
		schema.Group(schema.Field{Name: "kubernetes", Absent: "no pods", Example: "{namespace: shop, statefulset: etcd, replicas: 3}",
			Meaning: "pods of the cluster that KUBECONFIG names, each a node with its faults by guests in its pod: ephemeral containers"},
			kubernetesKeys(), func(a *Attach) *Kubernetes { return &a.Kubernetes }),
		schema.Group(schema.Field{Name: "ssh", Absent: "no hosts", Example: "{hosts: [db1, db2, db3], user: root, unit: postgresql@15-main}",
			Meaning: "servers on hosts that are reached by ssh, each a node with its faults by a guest on the host"},
			sshKeys(), func(a *Attach) *SSH { return &a.SSH }),
		{Field: schema.Field{Name: "nodes", Type: schema.List, Of: schema.Text, Max: maxNodes, Absent: "no addresses", Example: `["10.0.0.5:5432", "10.0.0.6:5432"]`,
			Meaning: "servers anywhere by their addresses: load and checks, and no faults but commands"},
			At: func(a *Attach) any { return &a.Nodes }},
		{Field: schema.Field{Name: "watch", Type: schema.Map, Of: schema.Text, Absent: "nobody beside the nodes is asked", Example: `{haproxy: "http://127.0.0.1:7000/;csv"}`,
			Meaning: "what stands beside the nodes and is asked whom it takes for what: haproxy by its page as CSV, patroni by its REST; several addresses have commas between them"},
			At: func(a *Attach) any { return &a.Watch }},
		{Field: schema.Field{Name: "allow", Type: schema.Text, Absent: "nothing is broken unless run --break names the deployment", Example: "shop",
			Meaning: "the deployment's name, typed out: the plan may break it"},
			At: func(a *Attach) any { return &a.Allow }},
	}
}

func composeKeys() []schema.Key[Compose] {
	return []schema.Key[Compose]{
		{Field: schema.Field{Name: "file", Type: schema.Text, Absent: "with a project none is needed", Example: "docker-compose.yml",
			Meaning: "the compose file, from the folder that aftershock runs in; the project is called as compose calls it"},
			At: func(c *Compose) any { return &c.File }},
		{Field: schema.Field{Name: "project", Type: schema.Text, Absent: "the name in the file, else its folder's", Example: "shop",
			Meaning: "the project's name, as in docker-compose -p"},
			At: func(c *Compose) any { return &c.Project }},
		{Field: schema.Field{Name: "services", Type: schema.List, Of: schema.Text, Max: maxNodes, Absent: "none: name them", Example: "[db1, db2, db3]",
			Meaning: "the services that are the nodes, each with one container"},
			At: func(c *Compose) any { return &c.Services }},
	}
}

// ConnectKeys is the table of connect's keys.
func ConnectKeys() []schema.Key[Connect] {
	return []schema.Key[Connect]{
		{Field: schema.Field{Name: "primary", Type: schema.Text, Absent: "the node that says it is the primary", Example: "postgres://app@haproxy:5000/shop",
			Meaning: "where clients come in that want the primary: a proxy, a service, or sentinel://host:port,host:port/name"},
			At: func(c *Connect) any { return &c.Primary }},
		{Field: schema.Field{Name: "replicas", Type: schema.List, Of: schema.Text, Max: maxNodes, Absent: "the nodes that say they are replicas", Example: `["postgres://app@haproxy:5001/shop"]`,
			Meaning: "where clients come in that want another than the primary"},
			At: func(c *Connect) any { return &c.Replicas }},
		{Field: schema.Field{Name: "user", Type: schema.Text, Absent: "the URL's, else the target's own", Example: "app",
			Meaning: "who the clients and the harness say they are"},
			At: func(c *Connect) any { return &c.User }},
		{Field: schema.Field{Name: "password", Type: schema.Text, Absent: "none", Example: "${PGPASSWORD}",
			Meaning: "where the password is, never itself: ${NAME} of an environment variable, or file:PATH"},
			At: func(c *Connect) any { return &c.Password }},
		{Field: schema.Field{Name: "database", Type: schema.Text, Absent: "the URL's, else the target's own", Example: "shop",
			Meaning: "the database, where the target has several"},
			At: func(c *Connect) any { return &c.Database }},
		{Field: schema.Field{Name: "tls", Type: schema.Text, Absent: Clear, Example: Verify,
			Meaning: "off: in the clear; encrypt: with whoever answers; verify: with a certificate of ca for the server's name"},
			At: func(c *Connect) any { return &c.TLS }},
		{Field: schema.Field{Name: "ca", Type: schema.Text, Absent: "the system's authorities", Example: "ca.pem",
			Meaning: "file with the authorities' certificates"},
			At: func(c *Connect) any { return &c.CA }},
		{Field: schema.Field{Name: "cert", Type: schema.Text, Absent: "none", Example: "client.pem",
			Meaning: "file with the client's certificate"},
			At: func(c *Connect) any { return &c.Cert }},
		{Field: schema.Field{Name: "key", Type: schema.Text, Absent: "none", Example: "client-key.pem",
			Meaning: "file with the client certificate's key"},
			At: func(c *Connect) any { return &c.Key }},
		{Field: schema.Field{Name: "server", Type: schema.Text, Absent: "the address", Example: "db.example.org",
			Meaning: "the name that the servers' certificates are for"},
			At: func(c *Connect) any { return &c.Server }},
	}
}
