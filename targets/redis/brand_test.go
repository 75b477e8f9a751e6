package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// TestVersion: Valkey's own version counts, and not that of Redis which it tells
// too; what is of another brand is refused.
func TestVersion(t *testing.T) {
	const valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n"
	for _, c := range []struct {
		brand      *brand
		info, want string
	}{
		{redisBrand, "# Server\r\nredis_version:8.0.2\r\n", "8.0.2"}, {valkeyBrand, valkey, "8.1.1"},
		{valkeyBrand, "# Server\r\nredis_version:8.0.2\r\n", ""}, {redisBrand, "", ""},
	} {
		s := &servers{brand: c.brand}
		s.operator.Dial = func(context.Context, *cluster.Node) (*link, error) {
			return newLink(fake(t, map[string][]string{"INFO": {fmt.Sprintf("$%d\r\n%s\r\n", len(c.info), c.info)}})), nil
		}
		version, err := s.Version(t.Context(), &cluster.Node{Name: "n1"})
		if version != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s of %q: %q, %v", c.brand.name, c.info, version, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestValkey is Redis in all but its servers.
func TestValkey(t *testing.T) {
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2"}}
	for _, c := range []struct {
		redis, valkey targets.Target
		name          string
	}{{Target{}, Valkey(), "valkey"}, {Sentinel{}, ValkeySentinel(), "valkey-sentinel"}} {
		of, is := c.redis.Info(), c.valkey.Info()
		if is.Name != c.name || !strings.HasPrefix(is.About, "Valkey ") || is.Servers[0].Program != "valkey-server" || is.Versions[0].Official != "valkey/valkey:8.1" {
			t.Errorf("%+v", is)
		}
		if len(is.Options) != len(of.Options) || len(is.Modes) != len(of.Modes) || !slices.Equal(is.Kinds, of.Kinds) {
			t.Errorf("%s can do other things than %s", is.Name, of.Name)
		}
		s, err := c.valkey.Configure(targets.Config{Replicas: 1})
		if err != nil {
			t.Fatal(err)
		}
		if spec := s.Server(nodes, 1); spec.User != "valkey" || !slices.Contains(spec.Command, c.name) {
			t.Errorf("it runs %v as %s", spec.Command, spec.User)
		}
	}
}
