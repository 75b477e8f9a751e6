package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// What is in a node's data directory.
const (
	confFile    = cluster.DataDir + "/rabbitmq.conf"
	pluginsFile = cluster.DataDir + "/enabled_plugins"
	cookieFile  = cluster.DataDir + "/.erlang.cookie"
	teller      = cluster.DataDir + "/teller.erl"
	database    = cluster.DataDir + "/db"
)

// user is whom Debian's package and the official image run the server as.
const user = "rabbitmq"

// Server is RabbitMQ with everything of its own in the data directory: on the
// local host, nodes share the machine's files.
func (s *System) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	seed := ""
	if i > 0 {
		seed = nodes[0].Addr.String()
	}
	return cluster.ServerSpec{
		Command: kit.Serve("rabbitmq", cluster.DataDir, seed),
		User:    user,
		Files:   s.files(nodes, i),
		Env: map[string]string{
			"HOME":                                cluster.DataDir,
			"LANG":                                "C.UTF-8",
			"RABBITMQ_NODENAME":                   nodeName(nodes[i]),
			"RABBITMQ_USE_LONGNAME":               "true", // names are addresses: there is no DNS
			"RABBITMQ_MNESIA_BASE":                database,
			"RABBITMQ_LOG_BASE":                   cluster.DataDir + "/log",
			"RABBITMQ_LOGS":                       "-",
			"RABBITMQ_CONF_ENV_FILE":              cluster.DataDir + "/rabbitmq-env.conf", // none: the machine's own is not meant
			"RABBITMQ_CONFIG_FILE":                confFile,
			"RABBITMQ_CONFIG_FILES":               cluster.DataDir + "/conf.d/*.conf",
			"RABBITMQ_ADVANCED_CONFIG_FILE":       cluster.DataDir + "/advanced.config",
			"RABBITMQ_ENABLED_PLUGINS_FILE":       pluginsFile,
			"RABBITMQ_GENERATED_CONFIG_DIR":       cluster.DataDir + "/config",
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": fmt.Sprintf("+S %d:%[1]d +SDio 2 +A 2", s.schedulers),
			"RABBITMQ_MAX_NUMBER_OF_PROCESSES":    strconv.Itoa(1 << 16), // the table is made at the start
			"ERL_CRASH_DUMP_SECONDS":              "0",
		},
	}
}

// nodeName is a node's name in its Erlang cluster.
func nodeName(n *cluster.Node) string { return "rabbit@" + n.Addr.String() }

// Launch becomes the server. args are the data directory and the address of
// the node to join, empty on that node. A node that has a database already has
// joined, and starts at once.
func (Target) Launch(_ context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("start rabbitmq: the data directory and the address to join are wanted, and there are %q", args)
	}
	dir, seed := args[0], args[1]
	if _, err := os.Stat(filepath.Join(dir, "db")); !errors.Is(err, fs.ErrNotExist) {
		seed = ""
	}
	path, err := program()
	if err != nil {
		return fmt.Errorf("start rabbitmq: %w", err)
	}
	// ERL_AFLAGS go before the server's own, and so the teller is there, and a
	// joining node waits, before the boot begins.
	for name, value := range map[string]string{
		"ERL_AFLAGS":      fmt.Sprintf(`-eval 'file:eval("%s/teller.erl")'`, dir),
		"AFTERSHOCK_JOIN": seed,
	} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("start rabbitmq: %w", err)
		}
	}
	return kit.Exec(path)
}

// program prefers the server's own script to what the PATH has: Debian's
// wrapper there wants the machine's own folders.
func program() (string, error) {
	for _, pattern := range server.Search {
		s := targets.Server{Program: "none", Search: []string{pattern}}
		if path, err := kit.Find(s); err == nil {
			return path, nil
		}
	}
	return kit.Find(server)
}
