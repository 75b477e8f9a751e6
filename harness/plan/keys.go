package plan

import (
	"cmp"
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// The bounds of a plan's lists.
const (
	maxWorkloads = 16
	maxFaults    = 200
	maxClaims    = 100
	maxVariants  = 256 // runs that vary may make of one plan
	maxRepeat    = 1000
)

// The bounds of a plan's times. A length is something that happens, a pause
// can be none.
const (
	shortest = float64(time.Millisecond)
	longest  = float64(24 * time.Hour)
)

// The bounds of a node's memory: an agent has to fit.
const (
	leastMemory = 64e6
	mostMemory  = float64(1 << 40)
)

// The bounds of a node's processors: the kernel gives a node a millisecond or more at a
// time, and a node with less than that in a tenth of a second hardly starts.
const (
	leastCPUs = 0.01
	mostCPUs  = 1024
)

// The words of stop_on and of failover.choose.
var (
	stops   = []string{"never", "violated"}
	choices = []string{"most-advanced", "least-advanced", "random", "none"}
)

// planKeys is the table of a plan's own keys: all that reading, the defaults,
// the checks, the written plan, the reference and the JSON Schema know of them.
func planKeys(words Words) []schema.Key[Plan] {
	return []schema.Key[Plan]{
		{Field: schema.Field{Name: "name", Type: schema.Name, Absent: "the file's name", Example: "primary-dies",
			Meaning: "what the plan is called, in reports and in the names of run directories"},
			At: func(p *Plan) any { return &p.Name }},
		{Field: schema.Field{Name: "about", Type: schema.Text, Example: "what the plan shows",
			Meaning: "a few words for people"},
			At: func(p *Plan) any { return &p.About }},
		{Field: schema.Field{Name: "seed", Type: schema.Whole, Default: "0", Note: "0 means choose one", Example: "7",
			Meaning: "what all random choices come from; 0: a new one for every run"},
			At: func(p *Plan) any { return &p.Seed }},
		{Field: schema.Field{Name: "host", Type: schema.Word, Words: words.Hosts, Default: cmp.Or(first(words.Hosts), AutoHost),
			Meaning: "where the nodes run; auto: in containers if there is an engine, else in namespaces of this machine; kubernetes: in pods of the cluster that kubectl would speak with"},
			At: func(p *Plan) any { return &p.Host }},
		schema.Group(schema.Field{Name: "for", Example: `{version: "<11.6"}`,
			Meaning: "what the claims are about; where something else runs, the plan is refused"},
			scopeKeys(), func(p *Plan) *Scope { return &p.For }),
		schema.Group(schema.Field{Name: "target", Required: true, Example: "{name: ripple, replicas: 2}",
			Meaning: "the system under test"},
			targetKeys(), func(p *Plan) *Target { return &p.Target }),
		{Field: schema.Field{Name: "workloads", Type: schema.List, Max: maxWorkloads, Required: true, Example: "[{name: register}]",
			Meaning: "what the clients do"},
			At: func(p *Plan) any { return &p.Workloads }},
		{Field: schema.Field{Name: "load", Type: schema.List, Max: workloads.MaxPhases, Absent: "each workload's own load or rate",
			Example: "[{name: steady, rate: 500/s, for: 30s}, {name: rising, rate: 500/s, to: 2000/s, for: 30s}]", Fields: schema.Fields(workloads.PhaseKeys()),
			Meaning: "the rate over the measured phase, of every workload that has no load or rate of its own; before it, the first phase's rate"},
			At: func(p *Plan) any { return &p.Load }},
		{Field: schema.Field{Name: "warmup", Type: schema.Duration, Max: longest, Default: "1s",
			Meaning: "load before measuring begins"},
			At: func(p *Plan) any { return &p.Warmup }},
		{Field: schema.Field{Name: "duration", Type: schema.Duration, Min: shortest, Max: longest, Default: "10s", Note: "with load it is the length of that",
			Meaning: "length of the measured phase, in which the faults are"},
			At: func(p *Plan) any { return &p.Duration }},
		{Field: schema.Field{Name: "faults", Type: schema.List, Max: maxFaults, Absent: "nothing fails", Example: "[" + faultExample + "]",
			Meaning: "what goes wrong, and when"},
			At: func(p *Plan) any { return &p.Faults }},
		{Field: schema.Field{Name: "settle", Type: schema.Duration, Min: shortest, Max: longest, Default: "10s",
			Meaning: "the longest time that the healed cluster may take until it is healthy, and the final reads after that"},
			At: func(p *Plan) any { return &p.Settle }},
		{Field: schema.Field{Name: "claims", Type: schema.List, Of: schema.Text, Max: maxClaims, Absent: "nothing is claimed", Example: `["writes.lost == 0"]`,
			Meaning: "what has to be true of the measured facts (`aftershock list facts`) for the plan to hold"},
			At: func(p *Plan) any { return &p.Claims }},
		{Field: schema.Field{Name: "stop_on", Type: schema.Word, Words: stops, Default: stops[0],
			Meaning: "violated: end the load when a register is seen not to be linearizable"},
			At: func(p *Plan) any { return &p.StopOn }},
		schema.Group(schema.Field{Name: "gates", Example: "{min_ops: 100}",
			Meaning: "guards against passes that prove nothing"},
			gateKeys(), func(p *Plan) *Gates { return &p.Gates }),
		schema.Group(schema.Field{Name: "timeouts", Example: "{connect: 300ms, operation: 1s}",
			Meaning: "bounds of the clients' calls"},
			timeoutKeys(), func(p *Plan) *Timeouts { return &p.Timeouts }),
		{Field: schema.Field{Name: "prices", Type: schema.Map, Of: schema.Text, Absent: "no cost in money", Example: "{cpu_hour: 0.04, gb_month: 0.1, currency: USD}",
			Meaning: "what machines cost, for cost.money.per_million: cpu_hour (of one processor, as far as it was used), memory_gb_hour (of the most memory held), gb_month (what was sent to storage, kept for a month), network_gb (sent by nodes), and the currency"},
			At: func(p *Plan) any { return &p.Prices }},
		{Field: schema.Field{Name: "vary", Type: schema.Map, Absent: "one run", Example: "{target.replicas: [1, 2, 4]}",
			Meaning: "paths of this plan with their values: one run for each combination, at most 256; under zip, lists of equal length that are walked together"},
			At: func(p *Plan) any { return &p.Vary }},
		{Field: schema.Field{Name: "repeat", Type: schema.Whole, Min: 1, Max: maxRepeat, Absent: "one run", Example: "6",
			Meaning: "rounds, in each of which every variant runs once, with the round's seed and in an order of its own; 6 are the fewest for a 95 % interval of a median"},
			At: func(p *Plan) any { return &p.Repeat }},
		schema.Group(schema.Field{Name: "find", Absent: "the plan's own rate", Example: findShort,
			Meaning: "search for the greatest rate at which every claim holds, replicas keep up and nothing waits; max-rate is short for {max: rate}"},
			findKeys(), func(p *Plan) *Find { return &p.Find }),
		schema.Group(schema.Field{Name: "control", Absent: "nothing shows that the plan can fail",
			Example: `{set: {target.options.replication: async}, violates: ["writes.lost == 0"]}`,
			Meaning: "a run of the same plan with other values, which has to violate claims: it shows that a pass means something"},
			controlKeys(), func(p *Plan) *Control { return &p.Control }),
		driversKey(words), wanKey(), studyKey(),
	}
}

func wanKey() schema.Key[Plan] {
	return schema.Key[Plan]{Field: schema.Field{Name: "wan", Type: schema.Map, Of: schema.Text, Absent: "side by side", Example: "{n1: eu-west, n2: us-east, n3: ap-south, clients: eu-west}",
		Meaning: "where each node is and where the clients are: round trips between regions, from when the nodes have formed until the run ends; a/b: 40ms is one of your own"},
		At: func(p *Plan) any { return &p.WAN }}
}

func studyKey() schema.Key[Plan] {
	return schema.Group(schema.Field{Name: "study", Absent: "the plan is no study",
		Example: `{says: "replicas cost writes", decide: [{fact: latency.write.p50, across: target.replicas, from: 0, to: 2, expect: rises}]}`,
		Meaning: "a sentence that `aftershock study` tests by the runs of this plan's variants"},
		question.Keys(), func(p *Plan) *question.Study { return &p.Study })
}

func controlKeys() []schema.Key[Control] {
	return []schema.Key[Control]{
		{Field: schema.Field{Name: "set", Type: schema.Map, Of: schema.Text, Absent: "the plan's own values", Example: "{target.options.replication: async}",
			Meaning: "paths of this plan, each with the single value that the control has there"},
			At: func(c *Control) any { return &c.Set }},
		{Field: schema.Field{Name: "violates", Type: schema.List, Of: schema.Text, Max: maxClaims, Absent: "no control", Example: `["writes.lost == 0"]`,
			Meaning: "claims of this plan that all have to be violated in the control"},
			At: func(c *Control) any { return &c.Violates }},
	}
}

func scopeKeys() []schema.Key[Scope] {
	return []schema.Key[Scope]{
		{Field: schema.Field{Name: "version", Type: schema.Text, Absent: "every version", Example: `"<11.6"`,
			Meaning: "a range of the target's versions: comparisons, with a comma for and, || for or"},
			At: func(s *Scope) any { return &s.Version }},
	}
}

func targetKeys() []schema.Key[Target] {
	return []schema.Key[Target]{
		{Field: schema.Field{Name: "name", Type: schema.Text, Required: true, Example: "ripple",
			Meaning: "which system: `aftershock list targets`"},
			At: func(t *Target) any { return &t.Name }},
		{Field: schema.Field{Name: "version", Type: schema.Text, Absent: "docker: the newest that is tested and that the claims are about; local: what is installed", Example: `"17"`,
			Meaning: "which version has to run; on docker it chooses among those that are tested: `aftershock list targets`"},
			At: func(t *Target) any { return &t.Version }},
		{Field: schema.Field{Name: "versions", Type: schema.Map, Of: schema.Text, Absent: "every node starts with version", Example: `{n3: "3.6"}`,
			Meaning: "of nodes that start with another version, by their names: a cluster of several versions, as far as the target's documentation allows that; on docker"},
			At: func(t *Target) any { return &t.Versions }},
		{Field: schema.Field{Name: "image", Type: schema.Text, Absent: "the environment's AFTERSHOCK_IMAGE_<TARGET>, else auto", Example: "postgres:17",
			Meaning: "docker host: the image of the nodes; auto: the version's official one, or what `make images` built if only that is there"},
			At: func(t *Target) any { return &t.Image }},
		{Field: schema.Field{Name: "replicas", Type: schema.Whole, Max: 15, Default: "2",
			Meaning: "nodes besides the primary"},
			At: func(t *Target) any { return &t.Replicas }},
		{Field: schema.Field{Name: "spares", Type: schema.Whole, Max: 15, Absent: "none", Example: "1",
			Meaning: "further nodes that are launched without a server, with names behind those of the others: the faults join, leave and replace make members of them"},
			At: func(t *Target) any { return &t.Spares }},
		{Field: schema.Field{Name: "memory", Type: schema.Size, Min: leastMemory, Max: mostMemory, Absent: "no limit but the machine's", Example: "512MB",
			Meaning: "the most memory, without swap, that each node may take; the kernel kills in a node that wants more"},
			At: func(t *Target) any { return &t.Memory }},
		{Field: schema.Field{Name: "cpus", Type: schema.Number, Min: leastCPUs, Max: mostCPUs, Absent: "no limit but the machine's", Example: "0.25",
			Meaning: "the most processors' worth of time that each node may take, from when the cluster is formed (on kubernetes from its launch): of small nodes several fit on one machine before that is what limits them"},
			At: func(t *Target) any { return &t.CPUs }},
		schema.Group(schema.Field{Name: "disk", Absent: "a plain folder, or names: ordered where a fault needs it", Example: "{names: posix}",
			Meaning: "the data directories are on a file system that can lose what was not synced, and fail"},
			diskKeys(), func(t *Target) *Disk { return &t.Disk }),
		{Field: schema.Field{Name: "options", Type: schema.Map, Of: schema.Text, Absent: "the target's defaults", Example: "{replication: sync}",
			Meaning: "the target's own settings"},
			At: func(t *Target) any { return &t.Options }},
		schema.Group(schema.Field{Name: "failover", Example: "{after: 1s, choose: most-advanced}",
			Meaning: "the operator that promotes a replica when the primary is gone, for targets that need one"},
			failoverKeys(), func(t *Target) *Failover { return &t.Failover }),
		schema.Group(schema.Field{Name: "attach", Absent: "the plan launches nodes of its own", Example: "{compose: {file: docker-compose.yml, services: [db1, db2, db3]}}",
			Meaning: "a deployment that somebody else runs, in place of launching one: nothing in it is formed, promoted or configured"},
			attach.AttachKeys(), func(t *Target) *attach.Attach { return &t.Attach }),
		schema.Group(schema.Field{Name: "connect", Absent: "straight to the nodes, by the roles that they tell", Example: "{primary: \"postgres://app@haproxy:5000/shop\", password: \"${PGPASSWORD}\"}",
			Meaning: "how clients come into a deployment that is attached to, as the application does"},
			attach.ConnectKeys(), func(t *Target) *attach.Connect { return &t.Connect }),
	}
}

func failoverKeys() []schema.Key[Failover] {
	return []schema.Key[Failover]{
		{Field: schema.Field{Name: "after", Type: schema.Duration, Max: longest, Default: "1s",
			Meaning: "how long the primary must be gone"},
			At: func(f *Failover) any { return &f.After }},
		{Field: schema.Field{Name: "choose", Type: schema.Word, Words: choices, Default: choices[0],
			Meaning: "which replica is promoted; none: nobody promotes"},
			At: func(f *Failover) any { return &f.Choose }},
	}
}

func gateKeys() []schema.Key[Gates] {
	return []schema.Key[Gates]{
		{Field: schema.Field{Name: "min_ops", Type: schema.Whole, Max: 1 << 40, Default: "100",
			Meaning: "acknowledged operations, with fewer of which the verdict is unknown"},
			At: func(g *Gates) any { return &g.MinOps }},
		{Field: schema.Field{Name: "random_faults", Type: schema.Whole, Min: 1, Max: 100, Default: "90",
			Meaning: "percent of the faults of each entry with every that have to take effect; with fewer the verdict is unknown"},
			At: func(g *Gates) any { return &g.RandomFaults }},
		{Field: schema.Field{Name: "lost_drivers", Type: schema.Whole, Max: attach.MostDrivers, Absent: "none", Example: "1",
			Meaning: "drivers that may be lost: claims on what was promised are then about what is recorded; with more lost the verdict is unknown"},
			At: func(g *Gates) any { return &g.LostDrivers }},
	}
}

func timeoutKeys() []schema.Key[Timeouts] {
	return []schema.Key[Timeouts]{
		{Field: schema.Field{Name: "connect", Type: schema.Duration, Min: shortest, Max: longest, Default: "300ms",
			Meaning: "for opening a connection"},
			At: func(t *Timeouts) any { return &t.Connect }},
		{Field: schema.Field{Name: "operation", Type: schema.Duration, Min: shortest, Max: longest, Default: "1s",
			Meaning: "for one operation; after it the outcome is unknown"},
			At: func(t *Timeouts) any { return &t.Operation }},
	}
}

// workloadKeys are the keys of one entry of workloads: the two of every
// workload, and those of its type.
func workloadKeys(t workloads.TypeInfo) []schema.Key[workloads.Spec] {
	return append([]schema.Key[workloads.Spec]{
		{Field: schema.Field{Name: "name", Type: schema.Name, Absent: "the type", Example: t.Name,
			Meaning: "what the workload is called; a type's name says the type as well"},
			At: func(s *workloads.Spec) any { return &s.Name }},
		{Field: schema.Field{Name: "type", Type: schema.Word, Words: workloadNames(), Absent: "the name",
			Meaning: "what it does, where it has a name of its own"},
			At: func(s *workloads.Spec) any { return &s.Type }},
	}, t.Keys...)
}

// faultKeys are the keys of one entry of faults, besides what it does.
func faultKeys() []schema.Key[faults.Spec] {
	return append([]schema.Key[faults.Spec]{
		{Field: schema.Field{Name: "at", Type: schema.Duration, Max: longest, Example: "3s",
			Meaning: "when it begins, after the start of measuring; with every: when the repeating begins, and of a fault that repeats itself its first, or else after every"},
			At: func(s *faults.Spec) any { return &s.At }},
		{Field: schema.Field{Name: "every", Type: schema.Duration, Min: shortest, Max: longest, Example: "5s",
			Meaning: "how often the fault repeats itself: one cycle each time, as often as it fits whole; with pick: mean time between two faults at random instants; 100ms at least"},
			At: func(s *faults.Spec) any { return &s.Every }},
		{Field: schema.Field{Name: "pick", Type: schema.List, Max: maxFaults, Example: "[" + pickExample + "]",
			Meaning: "with every: the faults to choose from, each with what it does and for"},
			At: func(s *faults.Spec) any { return &s.Pick }},
	}, pickKeys()...)
}

// pickKeys are the keys of one entry of pick, besides what it does.
func pickKeys() []schema.Key[faults.Spec] {
	return []schema.Key[faults.Spec]{
		{Field: schema.Field{Name: "for", Type: schema.Duration, Min: shortest, Max: longest, Absent: "until the measured phase ends", Example: "2s",
			Meaning: "how long it lasts; a restart takes as long as it takes"},
			At: func(s *faults.Spec) any { return &s.For }},
		{Field: schema.Field{Name: "process", Type: schema.Text, Absent: "all of the node", Example: "patroni",
			Meaning: "attached nodes: the program that a pause or a crash hits"},
			At: func(s *faults.Spec) any { return &s.Process }},
	}
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
