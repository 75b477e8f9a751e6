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

// layers lists the packages in the order of the data, the rim first. A package
// imports only what stands after it, and of that only what allowed names.
var layers = []string{
	"cmd/aftershock",
	"cmd/aftershock/live",
	"plans",
	"",
	"harness/studies",
	"harness/series",
	"harness",
	"harness/drivers",
	"harness/load",
	"harness/attached",
	"harness/machine",
	"harness/livewatch",
	"harness/settle",
	"harness/wan",
	"harness/look",
	"harness/members",
	"harness/upgrades",
	"harness/roles",
	"harness/link",
	"harness/operator",
	"results/site",
	"results/judge",
	"results/study/page",
	"results/study",
	"results/compare/page",
	"results/compare",
	"results/report/page",
	"results/web",
	"results/timeline",
	"results/report",
	"results/say",
	"results/rundir",
	"results",
	"harness/plan",
	"harness/plan/yamltree",
	"harness/attach",
	"harness/question",
	"results/claims",
	"harness/telemetry",
	"harness/metrics",
	"harness/preflight",
	"harness/watchdog",
	"harness/meter",
	"checkers/all",
	"checkers/register/stream",
	"checkers/register",
	"checkers/register/watch",
	"checkers/register/reign",
	"checkers/*",
	"checkers/kit",
	"checkers",
	"harness/demand",
	"workloads",
	"workloads/keys",
	"workloads/pace",
	"faults/engine",
	"faults",
	"targets/all",
	"targets/*",
	"targets/kit",
	"targets/kit/resp",
	"targets",
	"cluster/probe",
	"cluster/addresses",
	"cluster/compose",
	"cluster/pods",
	"cluster/ssh",
	"cluster/guests",
	"cluster/docker",
	"cluster/kubernetes",
	"cluster/kubernetes/api",
	"cluster/local",
	"cluster/reaper",
	"cluster/owner",
	"cluster/agent",
	"cluster/agent/clock",
	"cluster/agent/press",
	"cluster/agent/process",
	"cluster/agent/link",
	"cluster/agent/service",
	"cluster/agent/network",
	"cluster/agent/urgent",
	"cluster/agent/usage",
	"cluster/agent/victim",
	"cluster/agent/root",
	"cluster/agent/volume",
	"cluster/agent/volume/undo",
	"cluster",
	"history/foreign/export",
	"history/foreign",
	"history/parquet",
	"payload",
	"history",
	"history/clocks",
	"history/usage",
	"schema/jsonform",
	"schema",
	"internal",
}

// allowed says which of our packages each package may import. A name ending
// in /* stands for all packages below; internal is free to all.
var allowed = map[string][]string{
	"cmd/aftershock/live": {"harness", "harness/metrics", "harness/telemetry", "checkers", "history"},
	"cmd/aftershock": {"cmd/aftershock/live", "plans", "harness", "harness/attached", "harness/plan", "harness/series", "harness/studies", "schema", "results", "results/*", "checkers", "workloads", "faults", "targets", "targets/all", "targets/kit",
		"targets/ripple", "targets/ripple/server", "cluster/probe", "cluster/agent", "cluster/reaper", "history", "history/foreign"},
	"plans":                            {},
	"":                                 {"harness", "harness/attach", "harness/plan", "results/judge"},
	"harness/attached":                 {"cluster", "cluster/addresses", "cluster/agent/service", "cluster/agent/victim", "cluster/compose", "cluster/pods", "cluster/ssh", "faults", "harness/attach", "harness/plan", "history", "targets", "workloads"},
	"cluster/addresses":                {"cluster"},
	"harness":                          {"harness/drivers", "harness/roles", "harness/load", "harness/attach", "harness/attached", "cluster/addresses", "harness/plan", "harness/livewatch", "harness/settle", "harness/look", "harness/link", "harness/demand", "harness/preflight", "harness/watchdog", "results", "results/judge", "results/rundir", "checkers", "workloads", "workloads/pace", "faults", "faults/engine", "targets", "targets/all", "targets/kit", "cluster", "cluster/docker", "cluster/kubernetes", "cluster/local", "cluster/owner", "cluster/pods", "cluster/reaper", "history", "checkers/register/stream", "harness/machine", "harness/meter", "history/usage", "harness/metrics", "harness/operator", "payload", "cluster/ssh", "harness/wan", "harness/members", "harness/upgrades"},
	"harness/drivers":                  {"cluster", "harness/attached", "harness/demand", "harness/load", "harness/plan", "harness/watchdog", "history", "history/clocks", "results/rundir", "targets", "workloads", "workloads/pace"},
	"harness/load":                     {"cluster", "harness/attached", "harness/demand", "harness/link", "harness/look", "harness/members", "harness/plan", "harness/watchdog", "history", "payload", "targets", "workloads", "workloads/pace"},
	"harness/members":                  {"cluster", "history", "targets"},
	"harness/upgrades":                 {"cluster", "targets", "targets/kit"},
	"harness/roles":                    {"cluster", "faults", "history", "targets"},
	"harness/plan/yamltree":            {"harness/attach"},
	"harness/livewatch":                {"harness/plan", "checkers", "checkers/register/stream", "history"},
	"harness/wan":                      {"cluster", "faults", "harness/plan", "history"},
	"harness/settle":                   {"cluster", "history", "targets"},
	"harness/look":                     {"history", "workloads"},
	"harness/link":                     {"history", "targets"},
	"harness/demand":                   {"history", "workloads/pace"},
	"harness/machine":                  {"results"},
	"harness/meter":                    {"cluster", "history", "history/usage"},
	"harness/series":                   {"harness", "harness/plan", "results", "results/claims", "results/compare", "results/judge", "results/rundir"},
	"harness/studies":                  {"harness", "harness/plan", "harness/question", "harness/series", "results", "results/rundir", "results/study", "workloads", "workloads/pace"},
	"harness/metrics":                  {"history"},
	"harness/telemetry":                {"harness/metrics", "history"},
	"harness/operator":                 {"cluster", "harness/plan", "harness/watchdog", "history", "targets"},
	"harness/preflight":                {},
	"harness/watchdog":                 {"cluster", "history"},
	"results/site":                     {"results", "results/claims", "results/compare", "results/compare/page", "results/judge", "results/report", "results/report/page", "results/rundir", "results/say", "results/study/page", "results/timeline", "results/web", "checkers", "history"},
	"results/judge":                    {"results", "results/timeline", "results/report", "results/report/page", "results/rundir", "results/claims", "harness/plan", "checkers", "faults", "history", "history/foreign", "history/foreign/export", "history/parquet", "checkers/all"},
	"results/compare":                  {"results", "results/claims", "checkers"},
	"results/compare/page":             {"results", "results/claims", "results/compare", "results/report", "results/say", "results/timeline", "results/web", "checkers"},
	"results/study/page":               {"checkers", "results/compare", "results/study", "results/web"},
	"results/study":                    {"checkers", "harness/question", "results", "results/claims", "results/compare"},
	"results/report/page":              {"results", "results/claims", "results/report", "results/say", "results/timeline", "results/web", "checkers", "checkers/kit", "faults", "history"},
	"results/web":                      {},
	"results/webtest":                  {},
	"results/timeline":                 {"results", "results/report", "checkers", "checkers/kit", "checkers/lag", "faults", "history", "history/usage"},
	"results/report":                   {"results", "results/claims", "results/say", "checkers", "history"},
	"results/say":                      {"results", "checkers", "faults", "history"},
	"results/rundir":                   {"results", "checkers/lag", "checkers/kit", "checkers", "history"},
	"results":                          {"results/claims", "faults", "checkers/all", "checkers/lag", "checkers/kit", "checkers", "history"},
	"results/resultstest":              {"checkers/availability", "checkers/latency", "checkers", "history"},
	"harness/question":                 {"results/claims", "schema"},
	"schema/jsonform":                  {"schema"},
	"harness/attach":                   {"schema"},
	"harness/plan":                     {"harness/plan/yamltree", "harness/attach", "harness/question", "results/claims", "schema", "schema/jsonform", "checkers", "workloads", "workloads/keys", "workloads/pace", "faults", "targets", "targets/all", "cluster", "history", "payload", "checkers/lag", "history/usage"},
	"results/claims":                   {"checkers/all", "checkers/latency", "checkers", "history"},
	"checkers/all":                     {"checkers", "checkers/*", "history"},
	"checkers/register/stream":         {"checkers", "checkers/kit", "checkers/register", "checkers/register/watch", "history"},
	"checkers/register":                {"checkers", "checkers/kit", "checkers/register/watch", "checkers/register/reign", "history"},
	"checkers/register/reign":          {"checkers/kit", "faults", "history"},
	"checkers/register/watch":          {"checkers/kit", "history"},
	"checkers/*":                       {"checkers", "checkers/kit", "history"},
	"checkers/objectives":              {"checkers", "checkers/kit", "faults", "history"},
	"checkers/cost":                    {"checkers", "checkers/kit", "history", "history/usage"},
	"checkers/kit":                     {"checkers", "faults", "history"},
	"checkers/checktest":               {"checkers", "history"},
	"history/foreign/foreigntest":      {"checkers", "checkers/all", "history"},
	"checkers":                         {"history"},
	"workloads":                        {"history", "payload", "schema", "workloads/keys", "workloads/pace"},
	"payload":                          {"history", "schema"},
	"workloads/keys":                   {"schema"},
	"workloads/pace":                   {},
	"faults/engine":                    {"faults", "history", "cluster"},
	"faults":                           {"history", "cluster", "schema"},
	"targets/all":                      {"targets", "targets/*"},
	"targets/*":                        {"schema", "targets", "targets/kit", "targets/kit/resp", "targets/ripple/server", "cluster", "history", "payload"},
	"targets/kit":                      {"schema", "targets", "cluster", "history"},
	"targets/kit/resp":                 {"history", "payload"},
	"targets":                          {"cluster", "history", "payload", "schema"},
	"cluster/probe":                    {"cluster/local", "cluster", "cluster/agent/link", "cluster/agent/network", "cluster/agent/volume", "cluster/agent/volume/ext4"},
	"cluster/docker":                   {"cluster", "cluster/agent", "cluster/agent/volume", "cluster/agent/volume/ext4", "cluster/owner"},
	"cluster/kubernetes":               {"cluster", "cluster/agent", "cluster/kubernetes/api"},
	"cluster/kubernetes/api":           {"cluster"},
	"cluster/compose":                  {"cluster", "cluster/agent", "cluster/docker", "cluster/guests"},
	"cluster/ssh":                      {"cluster", "cluster/agent", "cluster/agent/service", "cluster/guests"},
	"cluster/pods":                     {"cluster", "cluster/agent", "cluster/guests", "cluster/kubernetes/api"},
	"cluster/guests":                   {"cluster", "cluster/agent"},
	"cluster/ssh/internal/*":           {"cluster/agent", "cluster/ssh"},
	"cluster/compose/internal/*":       {"cluster/agent"},
	"cluster/docker/internal/testnode": {"cluster/agent"},
	"cluster/local":                    {"cluster", "cluster/agent", "cluster/agent/root", "cluster/agent/volume", "cluster/agent/volume/ext4", "cluster/owner"},
	"cluster/owner":                    {},
	"cluster/reaper":                   {},
	"cluster/agent":                    {"cluster", "cluster/agent/link", "cluster/agent/network", "cluster/agent/process", "cluster/agent/root", "cluster/agent/urgent", "cluster/agent/usage", "cluster/agent/victim", "history/usage", "cluster/agent/service", "cluster/agent/volume", "cluster/agent/clock", "cluster/agent/press"},
	"cluster/agent/link":               {"cluster", "cluster/agent/network", "cluster/agent/urgent"},
	"cluster/agent/urgent":             {},
	"cluster/agent/volume":             {"cluster", "cluster/agent/volume/ext4", "cluster/agent/volume/undo"},
	"cluster/agent/volume/ext4":        {},
	"cluster/agent/volume/undo":        {"cluster"},
	"cluster/agent/root":               {},
	"cluster/agent/usage":              {"history/usage"},
	"cluster/agent/network":            {"cluster"},
	"cluster/agent/process":            {"cluster"},
	"cluster/agent/service":            {"cluster", "cluster/agent/victim"},
	"cluster/agent/victim":             {"cluster"},
	"cluster/agent/clock":              {"cluster"},
	"cluster/agent/press":              {"cluster", "cluster/agent/urgent"},
	"cluster/agent/internal/nodetest":  {"cluster", "cluster/agent", "cluster/local"},
	"cluster":                          {"history/usage"},
	"history/foreign/export":           {"history/foreign", "history"},
	"history/foreign":                  {"history"},
	"history/parquet":                  {"history"},
	"history":                          {"history/clocks", "history/usage"},
	"history/clocks":                   {},
	"history/usage":                    {},
	"schema":                           {},
	"ci":                               {},
	"internal/*":                       {},
	"scripts/kills":                    {"cluster/docker", "cluster/local"},
	"scripts/museum":                   {"harness/plan", "results", "results/report", "results/claims"},
	"scripts/*":                        {"checkers", "results", "results/*", "targets/ripple/server"},
}

// drivers are imported in the folders of their targets only.
var drivers = map[string][]string{
	"github.com/bradfitz/gomemcache": {module + "/targets/memcached"},
	"github.com/go-sql-driver/mysql": {module + "/targets/mariadb"},
	"github.com/gomodule/redigo":     {module + "/targets/ripple", module + "/targets/redis"},
	"github.com/jackc/pgx":           {module + "/targets/postgres"},
	"github.com/nats-io":             {module + "/targets/nats"},
	"github.com/rabbitmq/amqp091-go": {module + "/targets/rabbitmq"},
	"github.com/spf13/cobra":         {module + "/cmd/aftershock"}, // no driver, but the command line's alone
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
		from, ours := local(p.ImportPath)
		if !ours {
			t.Fatalf("%s is not of this module", p.ImportPath)
		}
		may, ok := rule(from)
		if !ok {
			t.Errorf("%s: no rule says what it may import", p.ImportPath)
		}
		for _, imported := range p.Imports {
			for driver, homes := range drivers {
				if strings.HasPrefix(imported, driver) && !slices.ContainsFunc(homes, func(home string) bool { return strings.HasPrefix(p.ImportPath, home) }) {
					t.Errorf("%s imports the driver %s, which belongs to %v", p.ImportPath, imported, homes)
				}
			}
			to, ours := local(imported)
			if ours && !strings.HasPrefix(to, "internal/") && !slices.ContainsFunc(may, func(name string) bool { return covers(name, to) }) {
				t.Errorf("%s imports %s: against the way of the data", p.ImportPath, imported)
			}
		}
	}
}

// TestRulesFollowTheOrder: what the rules allow never points back.
func TestRulesFollowTheOrder(t *testing.T) {
	place := func(name string) int {
		return slices.IndexFunc(layers, func(layer string) bool { return covers(layer, strings.TrimSuffix(name, "/*")) || layer == name })
	}
	for from, may := range allowed {
		if place(from) < 0 {
			continue // scripts and helpers of tests stand beside the way
		}
		for _, to := range may {
			if !strings.HasSuffix(to, "/*") && place(to) >= 0 && place(to) < place(from) {
				t.Errorf("%s may import %s, which stands before it", from, to)
			}
		}
	}
}

// local is a package's path below the module.
func local(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// rule finds what a package may import: by its own name, else by its folder's.
func rule(path string) ([]string, bool) {
	if may, ok := allowed[path]; ok {
		return may, true
	}
	for name, may := range allowed {
		if strings.HasSuffix(name, "/*") && covers(name, path) {
			return may, true
		}
	}
	return nil, false
}

// covers tells whether a name of the rules stands for a package.
func covers(name, path string) bool {
	folder, all := strings.CutSuffix(name, "/*")
	return name == path || all && strings.HasPrefix(path, folder+"/")
}
