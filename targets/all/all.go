// Package all is the table of the systems that plans can name.
package all

import (
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/etcd"
	"github.com/aftershock-chaos/aftershock/targets/mariadb"
	"github.com/aftershock-chaos/aftershock/targets/memcached"
	"github.com/aftershock-chaos/aftershock/targets/nats"
	"github.com/aftershock-chaos/aftershock/targets/postgres"
	"github.com/aftershock-chaos/aftershock/targets/rabbitmq"
	"github.com/aftershock-chaos/aftershock/targets/redis"
	"github.com/aftershock-chaos/aftershock/targets/ripple"
)

// Targets is the table of the systems that plans can name.
func Targets() []targets.Target {
	return []targets.Target{
		ripple.Target{},
		postgres.Target{},
		redis.Target{},
		redis.Sentinel{},
		redis.Valkey(),
		redis.ValkeySentinel(),
		mariadb.Target{},
		mariadb.Galera{},
		etcd.Target{},
		nats.Target{},
		rabbitmq.Target{},
		memcached.Target{},
	}
}

// Find finds a system by its name.
func Find(name string) (targets.Target, bool) {
	for _, t := range Targets() {
		if t.Info().Name == name {
			return t, true
		}
	}
	return nil, false
}
