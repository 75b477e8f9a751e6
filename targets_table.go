package aftershock

import (
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/etcd"
	"github.com/aftershock-chaos/aftershock/targets/memcached"
	"github.com/aftershock-chaos/aftershock/targets/ripple"
)

// Targets is the table of the systems that plans can name.
func Targets() []targets.Target {
	return []targets.Target{
		ripple.Target{},
		etcd.Target{},
		memcached.Target{},
	}
}

// target finds a system by its name.
func target(name string) (targets.Target, bool) {
	for _, t := range Targets() {
		if t.Info().Name == name {
			return t, true
		}
	}
	return nil, false
}
