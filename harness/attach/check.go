package attach

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Mistake is a mistake at a path below target.
type Mistake struct {
	Path string // "attach.nodes.0"
	schema.Mistake
}

func mistake(path, message, remedy string) Mistake {
	return Mistake{path, schema.Mistake{Message: message, Remedy: remedy}}
}

// Check finds what a plan cannot mean.
func Check(a Attach, c Connect) []Mistake {
	if !a.Asked() {
		var found []Mistake
		if a.Allow != "" {
			found = append(found, mistake("attach", "attach names no node", "add compose, containers, kubernetes, ssh or nodes, or take it away"))
		}
		if c.given() {
			found = append(found, mistake("connect", "connect is for a deployment that somebody else runs", "add attach, or take it away"))
		}
		return found
	}
	found := slices.Concat(a.check(), c.check())
	if len(found) == 0 && c.Primary == "" && len(c.Replicas) > 0 {
		found = append(found, mistake("connect.replicas", "there is a way to the replicas and none to the primary", "add connect.primary as well"))
	}
	return found
}

func (a Attach) check() []Mistake {
	ways := 0
	for _, named := range []bool{a.Compose.asked(), len(a.Containers) > 0, a.Kubernetes.asked(), a.SSH.asked(), len(a.Nodes) > 0} {
		if named {
			ways++
		}
	}
	if ways > 1 {
		return []Mistake{mistake("attach", "the nodes are named in more than one way", "keep one of compose, containers, kubernetes, ssh and nodes")}
	}
	var found []Mistake
	for _, name := range slices.Sorted(maps.Keys(a.Watch)) {
		if !slices.Contains(Watched(), name) {
			found = append(found, mistake(schema.Join("attach.watch", name), fmt.Sprintf("nobody knows how to ask %q", spelling.Short(name)), spelling.DidYouMean(name, Watched())))
		}
		for u := range strings.SplitSeq(a.Watch[name], ",") {
			if p, err := url.Parse(u); err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" || p.User != nil {
				found = append(found, mistake(schema.Join("attach.watch", name), "that is no address of the web without a password", "write http://host:port/path"))
			}
		}
	}
	if a.Compose.asked() && len(a.Compose.Services) == 0 {
		found = append(found, mistake("attach.compose", "compose names no service", "add services: [db1, db2, db3], those that are the nodes"))
	}
	if a.Compose.asked() && a.Compose.File == "" && a.Compose.Project == "" {
		found = append(found, mistake("attach.compose", "compose says neither file nor project", "add file: docker-compose.yml"))
	}
	found = append(found, names("attach.compose.services", a.Compose.Services)...)
	found = append(found, names("attach.containers", a.Containers)...)
	found = append(found, a.Kubernetes.check()...)
	found = append(found, a.SSH.check()...)
	found = append(found, names("attach.nodes", a.Nodes)...)
	for i, n := range a.Nodes {
		if _, _, err := SplitNode(n); err != nil {
			found = append(found, mistake(schema.Join("attach.nodes", strconv.Itoa(i)), err.Error(), "write host:port, or host alone for the target's own port"))
		}
	}
	return found
}

// names finds empty names and those that are there twice.
func names(path string, list []string) []Mistake {
	var found []Mistake
	if len(list) > maxNodes {
		found = append(found, mistake(path, fmt.Sprintf("%d nodes are too many", len(list)), fmt.Sprintf("name %d at most", maxNodes)))
	}
	for i, n := range list {
		at := schema.Join(path, strconv.Itoa(i))
		switch {
		case strings.TrimSpace(n) == "":
			found = append(found, mistake(at, "the node has no name", "name it, or take the entry away"))
		case slices.Contains(list[:i], n):
			found = append(found, mistake(at, fmt.Sprintf("%s is there twice", spelling.Short(n)), "name each node once"))
		}
	}
	return found
}

// SplitNode is the host of "host:port" or "host", and the port, 0 if there is none.
func SplitNode(text string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(text)
	switch {
	case err != nil && strings.Count(text, ":") != 1: // a name, or an address of IPv6
		host, service, err = strings.Trim(text, "[]"), "0", nil
	case err != nil:
		return "", 0, fmt.Errorf("%q is no address", spelling.Short(text))
	}
	port, err = strconv.Atoi(service)
	if err != nil || port < 0 || port > 65535 || host == "" || strings.ContainsAny(host, "/@ \t") {
		return "", 0, fmt.Errorf("%q is no address", spelling.Short(text))
	}
	return host, port, nil
}

func (c Connect) given() bool {
	return len(c.Replicas) > 0 || c.Primary != "" || c.User != "" || c.Password != "" || c.Database != "" || c.CA != "" || c.Cert != "" || c.Key != "" || c.Server != ""
}

func (c Connect) check() []Mistake {
	var found []Mistake
	door := func(path, text string) {
		if _, err := ParseURL(text); err != nil {
			found = append(found, mistake(path, err.Error(), "write scheme://user@host:port/name, the password in connect.password"))
		}
	}
	if c.Primary != "" {
		door("connect.primary", c.Primary)
	}
	for i, r := range c.Replicas {
		door(schema.Join("connect.replicas", strconv.Itoa(i)), r)
	}
	if _, err := ParseSecret(c.Password); err != nil {
		found = append(found, mistake("connect.password", err.Error(), "write ${NAME} of an environment variable, or file:PATH"))
	}
	if c.TLS != "" && !slices.Contains(Modes(), c.TLS) {
		return append(found, mistake("connect.tls", fmt.Sprintf("tls cannot be %q", spelling.Short(c.TLS)), spelling.DidYouMean(c.TLS, Modes())))
	}
	if c.TLS == Clear || c.TLS == "" {
		if c.CA != "" || c.Cert != "" || c.Key != "" || c.Server != "" {
			found = append(found, mistake("connect", "there are certificates, and no TLS", "add tls: verify"))
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		found = append(found, mistake("connect", "a client's certificate and its key belong together", "give both cert and key"))
	}
	return found
}

// URL is a way in, as a plan writes it.
type URL struct {
	Scheme string
	User   string
	Addrs  []string // host:port
	Name   string   // what comes behind the first /
}

// ParseURL reads a way in. Several addresses stand between commas. The errors do
// not quote what may hold a password.
func ParseURL(text string) (URL, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "" {
		return URL{}, fmt.Errorf("the address has no scheme")
	}
	hosts, name, _ := strings.Cut(rest, "/")
	user, list, hasUser := strings.Cut(hosts, "@")
	if !hasUser {
		user, list = "", hosts
	}
	if strings.Contains(user, ":") || strings.Contains(list, "@") {
		return URL{}, fmt.Errorf("there is a password in the address")
	}
	u := URL{Scheme: scheme, Name: strings.Trim(name, "/")}
	var err error
	if u.User, err = url.PathUnescape(user); err != nil {
		return URL{}, fmt.Errorf("the user's name is not spelled as in a URL")
	}
	for part := range strings.SplitSeq(list, ",") {
		host, port, err := SplitNode(part)
		if err != nil || port == 0 {
			return URL{}, fmt.Errorf("%q is no host with a port", spelling.Short(part))
		}
		u.Addrs = append(u.Addrs, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	return u, nil
}
