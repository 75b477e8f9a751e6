package attach

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://app@haproxy:5000/shop":  "postgres app [haproxy:5000] shop",
		"redis://10.0.0.1:6379":             "redis  [10.0.0.1:6379] ",
		"sentinel://a:26379,b:26379/main":   "sentinel  [a:26379 b:26379] main",
		"postgres://a%40b@[fd00::1]:5432/x": "postgres a@b [[fd00::1]:5432] x",
	} {
		u, err := ParseURL(text)
		if got := strings.Join([]string{u.Scheme, u.User, "[" + strings.Join(u.Addrs, " ") + "]", u.Name}, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "haproxy:5000", "postgres://app:geheim@haproxy:5000/shop", "postgres://haproxy/shop", "postgres://:5000", "redis://a:70000", "redis://a:x"} {
		if u, err := ParseURL(text); err == nil {
			t.Errorf("%q was taken: %+v", text, u)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the password is told: %v", text, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Setenv("AN_OWN_SECRET", "abc")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("d e f\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"": "", "${AN_OWN_SECRET}": "abc", "file:" + file: "d e f"} {
		s, err := ParseSecret(text)
		if err != nil {
			t.Fatal(text, err)
		}
		if got, err := s.Read(); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"geheim", "$GEHEIM", "${geh eim}", "file:"} {
		if _, err := ParseSecret(text); err == nil || strings.Contains(strings.ToLower(err.Error()), "geheim") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"${NOT_SET_ANYWHERE}", "file:/no/such/file"} {
		s, err := ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// TestCheck: each mistake is told at its place.
func TestCheck(t *testing.T) {
	nodes := Attach{Nodes: []string{"a:1", "b"}}
	for _, c := range []struct {
		name    string
		attach  Attach
		connect Connect
		want    string
	}{
		{"nothing", Attach{}, Connect{}, ""},
		{"addresses", nodes, Connect{Primary: "postgres://h:1/x", Password: "${P}", TLS: Verify, CA: "ca.pem"}, ""},
		{"compose", Attach{Compose: Compose{File: "f", Services: []string{"a"}}}, Connect{}, ""},
		{"connect alone", Attach{}, Connect{User: "u"}, "connect"},
		{"allow alone", Attach{Allow: "x"}, Connect{}, "attach"},
		{"ssh", Attach{SSH: SSH{Hosts: []string{"db1", "10.0.0.2", "fd00::1"}, User: "root", Unit: "postgresql@15-main", Port: 2222}}, Connect{}, ""},
		{"ssh by commands", Attach{SSH: SSH{Hosts: []string{"db1"}, Process: "postgres", Start: []string{"a"}, Stop: []string{"b"}}}, Connect{}, ""},
		{"no hosts", Attach{SSH: SSH{User: "root"}}, Connect{}, "attach.ssh"},
		{"an option for a host", Attach{SSH: SSH{Hosts: []string{"-oProxyCommand=x"}}}, Connect{}, "attach.ssh.hosts.0"},
		{"a user in the host", Attach{SSH: SSH{Hosts: []string{"root@db1"}}}, Connect{}, "attach.ssh.hosts.0"},
		{"a shell's words", Attach{SSH: SSH{Hosts: []string{"a"}, Unit: "a;b", User: "$(x)"}}, Connect{}, "attach.ssh.unit attach.ssh.user"},
		{"unit and process", Attach{SSH: SSH{Hosts: []string{"a"}, Unit: "u", Process: "p"}}, Connect{}, "attach.ssh"},
		{"unit and commands", Attach{SSH: SSH{Hosts: []string{"a"}, Unit: "u", Start: []string{"p"}}}, Connect{}, "attach.ssh"},
		{"stop alone", Attach{SSH: SSH{Hosts: []string{"a"}, Stop: []string{"p"}}}, Connect{}, "attach.ssh.stop"},
		{"hosts and nodes", Attach{SSH: SSH{Hosts: []string{"a"}}, Nodes: []string{"b"}}, Connect{}, "attach"},
		{"two ways", Attach{Nodes: []string{"a"}, Containers: []string{"b"}}, Connect{}, "attach"},
		{"no services", Attach{Compose: Compose{File: "f"}}, Connect{}, "attach.compose"},
		{"neither file nor project", Attach{Compose: Compose{Services: []string{"a"}}}, Connect{}, "attach.compose"},
		{"twice", Attach{Nodes: []string{"a", "a"}}, Connect{}, "attach.nodes.1"},
		{"no address", Attach{Nodes: []string{"a:b:c/"}}, Connect{}, "attach.nodes.0"},
		{"a password", nodes, Connect{Password: "geheim"}, "connect.password"},
		{"a password in the address", nodes, Connect{Primary: "postgres://a:geheim@h:1/x"}, "connect.primary"},
		{"replicas alone", nodes, Connect{Replicas: []string{"postgres://h:1/x"}}, "connect.replicas"},
		{"certificates in the clear", nodes, Connect{CA: "ca.pem"}, "connect"},
		{"half a certificate", nodes, Connect{TLS: Verify, Cert: "c"}, "connect"},
		{"another word", nodes, Connect{TLS: "yes"}, "connect.tls"},
	} {
		var paths []string
		for _, m := range Check(c.attach, c.connect) {
			paths = append(paths, m.Path)
			if m.Message == "" || m.Remedy == "" || strings.Contains(m.Message+m.Remedy, "geheim") {
				t.Errorf("%s: %+v", c.name, m)
			}
		}
		slices.Sort(paths)
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestCheckDrivers: drivers are where a deployment is reached from, and on hosts for no
// other's sake.
func TestCheckDrivers(t *testing.T) {
	launched, nodes, pods := Attach{}, Attach{Nodes: []string{"a"}}, Attach{Kubernetes: Kubernetes{StatefulSet: "db", Replicas: 3}}
	load := SSH{Hosts: []string{"load1"}}
	for _, c := range []struct {
		name    string
		drivers Drivers
		attach  Attach
		place   string
		want    string
	}{
		{"beside the nodes", Drivers{Count: 3}, launched, "", ""},
		{"of pods", Drivers{Count: 3}, pods, OnPods, ""},
		{"of addresses, as pods", Drivers{Count: 3, On: OnPods}, nodes, OnPods, ""},
		{"of addresses, on hosts", Drivers{Count: 3, SSH: load}, nodes, OnHosts, ""},
		{"of pods, on hosts", Drivers{Count: 3, SSH: load, On: OnHosts}, pods, OnHosts, ""},
		{"of addresses, nowhere", Drivers{Count: 3}, nodes, "", "drivers.on"},
		{"of addresses, in namespaces", Drivers{Count: 3, On: "local"}, nodes, "", "drivers.on"},
		{"on hosts without names", Drivers{Count: 3, On: OnHosts}, nodes, OnHosts, "drivers.ssh"},
		{"as pods, with hosts", Drivers{Count: 3, On: OnPods, SSH: load}, nodes, OnPods, "drivers.ssh"},
		{"beside the nodes, with hosts", Drivers{Count: 3, SSH: load}, launched, OnHosts, "drivers.ssh"},
		{"a hostile host", Drivers{Count: 3, SSH: SSH{Hosts: []string{"-oProxyCommand=x"}}}, nodes, OnHosts, "drivers.ssh.hosts.0"},
		{"a user alone", Drivers{Count: 3, SSH: SSH{User: "bench"}}, nodes, OnHosts, "drivers.ssh"},
	} {
		if got := c.drivers.Place(c.attach); got != c.place {
			t.Errorf("%s: at %q, want %q", c.name, got, c.place)
		}
		var paths []string
		for _, m := range CheckDrivers(c.drivers, c.attach) {
			if paths = append(paths, m.Path); m.Message == "" || m.Remedy == "" || strings.Contains(m.Remedy, "attach.ssh") {
				t.Errorf("%s: %+v", c.name, m)
			}
		}
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
