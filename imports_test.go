package aftershock_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/aftershock-chaos/aftershock"

// allowed says which of our packages each package may import, by the first
// part of their path; "" is the root package.
var allowed = map[string][]string{
	"history":   {"history"}, // history/foreign
	"internal":  {},
	"scripts":   {"checkers", "results"},
	"cluster":   {"cluster"},
	"checkers":  {"history"},
	"workloads": {"history", "checkers"},
	"targets":   {"history", "cluster", "targets"},
	"faults":    {"history", "cluster"},
	"results":   {"history", "checkers"},
	"":          {"history", "cluster", "checkers", "workloads", "targets", "faults", "results"},
	"cmd":       {"", "history", "cluster", "checkers", "workloads", "targets", "faults", "results"},
}

// drivers are imported in the folders of their targets only.
var drivers = map[string][]string{
	"github.com/bradfitz/gomemcache": {module + "/targets/memcached"},
	"github.com/go-sql-driver/mysql": {module + "/targets/mariadb"},
	"github.com/gomodule/redigo":     {module + "/targets/ripple", module + "/targets/redis"},
	"github.com/jackc/pgx":           {module + "/targets/postgres"},
	"github.com/nats-io":             {module + "/targets/nats"},
	"github.com/rabbitmq/amqp091-go": {module + "/targets/rabbitmq"},
	"github.com/tidwall/redcon":      {module + "/targets/ripple"},
	"go.etcd.io/etcd":                {module + "/targets/etcd"},
	"google.golang.org/grpc":         {module + "/targets/etcd"},
}

func TestImportDirections(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := top(p.ImportPath)
		may, ok := allowed[from]
		if !ok {
			t.Errorf("%s: no rule says what it may import", p.ImportPath)
		}
		for _, imported := range p.Imports {
			for driver, homes := range drivers {
				if strings.HasPrefix(imported, driver) && !slices.ContainsFunc(homes, func(home string) bool { return strings.HasPrefix(p.ImportPath, home) }) {
					t.Errorf("%s imports the driver %s, which belongs to %v", p.ImportPath, imported, homes)
				}
			}
			if strings.HasPrefix(imported, module+"/internal/") {
				continue
			}
			if (imported == module || strings.HasPrefix(imported, module+"/")) && !contains(may, top(imported)) {
				t.Errorf("%s imports %s: against the way of the data", p.ImportPath, imported)
			}
		}
	}
}

// top is the first part of a path below the module.
func top(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), "/")
	return first
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
