package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

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

// distPort is where Erlang nodes reach each other, RabbitMQ's own choice.
const distPort = port + 20000

// seedTimeout bounds a joining node's wait for the first one to start.
const seedTimeout = time.Minute

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
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": s.erlang(),
			"RABBITMQ_MAX_NUMBER_OF_PROCESSES":    strconv.Itoa(1 << 16), // the table is made at the start
			"ERL_CRASH_DUMP_SECONDS":              "0",
		},
	}
}

// erlang are the arguments of Erlang: few threads, as nodes share a machine, and
// what RabbitMQ would set itself if it gave the node its name.
func (s *System) erlang() string {
	return fmt.Sprintf("+S %d:%[1]d +SDio 2 +A 2 -kernel net_ticktime %d -kernel inet_dist_listen_min %d -kernel inet_dist_listen_max %[3]d",
		s.schedulers, int(s.ticktime/time.Second), distPort)
}

// nodeName is a node's name in its Erlang cluster.
func nodeName(n *cluster.Node) string { return "rabbit@" + n.Addr.String() }

// Launch becomes the server. args are the data directory and the address of
// the node to join, empty on that node. A node that has a database already has
// joined, and starts at once.
func (Target) Launch(ctx context.Context, args []string) error {
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
	if seed != "" {
		if err := awaitTeller(ctx, seed); err != nil {
			return fmt.Errorf("start rabbitmq: %w", err)
		}
	}
	// ERL_AFLAGS go before the server's own, and so the teller is there, and a
	// joining node waits, before the boot begins. A node that has its name from
	// the start need not run a second Erlang only to start epmd.
	for name, value := range map[string]string{
		"ERL_AFLAGS":      fmt.Sprintf(`-name %s -eval 'file:eval("%s/teller.erl")'`, os.Getenv("RABBITMQ_NODENAME"), dir),
		"AFTERSHOCK_JOIN": seed,
	} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("start rabbitmq: %w", err)
		}
	}
	return kit.Exec(path)
}

// awaitTeller waits until the Erlang of the node at an address runs. From 4.0 on a
// node that forms a cluster with another one takes the one whose Erlang is older
// for the cluster, be it itself.
func awaitTeller(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	return kit.Retry(ctx, retryEvery, "wait for the first node's Erlang", func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(tellerPort)))
		if err != nil {
			return err
		}
		return conn.Close()
	})
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
