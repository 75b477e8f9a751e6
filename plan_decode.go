package aftershock

import (
	"github.com/aftershock-chaos/aftershock/internal/spelling"

	"fmt"
	"strconv"
	"time"
)

// The bounds of a plan's lists.
const (
	maxWorkloads = 16
	maxFaults    = 200
	maxClaims    = 100
	maxVariants  = 256 // runs that vary may make of one plan
)

var (
	hosts   = []string{"auto", "docker", "local"}
	choices = []string{"most-advanced", "least-advanced", "random", "none"}
)

// decoder turns a tree into a Plan. Each mistake is noted where it stands, and
// the field keeps its default.
type decoder struct {
	src   *planSource
	found []*PlanError
}

func (d *decoder) wrong(n *treeNode, path, message, remedy string) {
	d.found = append(d.found, d.src.at(n.place, path, message, remedy))
}

// field is one key that a map may have.
type field struct {
	name string
	read reader
}

// object reads a map with exactly these keys. A missing value is an empty map.
func (d *decoder) object(n *treeNode, path, what, example string, fields ...field) {
	if n.kind == treeNull || n.kind == treeFailed {
		return
	}
	if n.kind != treeMap {
		d.wrong(n, path, fmt.Sprintf("%s wants a map, not %s", what, n.kind), "e.g. "+example)
		return
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	for i := range n.keys {
		k := &n.keys[i]
		read := lookup(fields, k.name)
		if read == nil {
			d.found = append(d.found, d.src.at(k.place, join(path, k.name),
				fmt.Sprintf("unknown key %q in %s", shorten(k.name), what), spelling.DidYouMean(k.name, names)))
			continue
		}
		if k.value.kind == treeNull {
			k.value.place = k.place // what is not there is best shown by its key
		}
		read(k.value, join(path, k.name))
	}
}

func lookup(fields []field, name string) reader {
	for _, f := range fields {
		if f.name == name {
			return f.read
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// list reads a list of at most limit entries. A missing value is an empty list.
func (d *decoder) list(limit int, example string, read reader) reader {
	return func(n *treeNode, path string) {
		switch {
		case n.kind == treeNull || n.kind == treeFailed:
		case n.kind != treeList:
			d.wrong(n, path, fmt.Sprintf("%s wants a list, not %s", lastPart(path), n.kind), "e.g. "+example)
		case len(n.items) > limit:
			d.wrong(n, path, fmt.Sprintf("%s has %d entries", lastPart(path), len(n.items)), fmt.Sprintf("at most %d are possible", limit))
		default:
			for i, item := range n.items {
				read(item, join(path, strconv.Itoa(i)))
			}
		}
	}
}

// plan reads a whole document.
func (d *decoder) plan(n *treeNode) *Plan {
	p := defaultPlan()
	p.source = d.src
	p.Name = d.src.defaultName
	d.object(n, "", "the plan", "target: {name: ripple}",
		field{"name", d.text(&p.Name, "primary-dies")},
		field{"about", d.text(&p.About, "what the plan shows")},
		field{"seed", d.seed(&p.Seed)},
		field{"host", d.word(&p.Host, hosts)},
		field{"target", func(n *treeNode, path string) { d.target(n, path, &p.Target) }},
		field{"workloads", d.list(maxWorkloads, "[{name: register}]", func(n *treeNode, path string) {
			p.Workloads = append(p.Workloads, d.workload(n, path))
		})},
		field{"warmup", d.duration(&p.Warmup, pauseSpan)},
		field{"duration", d.duration(&p.Duration, lengthSpan)},
		field{"faults", d.list(maxFaults, "[{at: 3s, kill: primary, for: 2s}]", func(n *treeNode, path string) {
			p.Faults = append(p.Faults, d.fault(n, path))
		})},
		field{"settle", d.duration(&p.Settle, lengthSpan)},
		field{"claims", d.list(maxClaims, `["writes.lost == 0"]`, func(n *treeNode, path string) {
			var claim string
			d.text(&claim, "writes.lost == 0")(n, path)
			p.Claims = append(p.Claims, claim)
		})},
		field{"stop_on", d.word(&p.StopOn, stops)},
		field{"gates", func(n *treeNode, path string) {
			d.object(n, path, "gates", "{min_ops: 100}", field{"min_ops", d.number(&p.Gates.MinOps, minOpsSpan, "100")})
		}},
		field{"timeouts", func(n *treeNode, path string) {
			d.object(n, path, "timeouts", "{connect: 300ms, operation: 1s}",
				field{"connect", d.duration(&p.Timeouts.Connect, lengthSpan)},
				field{"operation", d.duration(&p.Timeouts.Operation, lengthSpan)})
		}},
		field{"vary", func(n *treeNode, path string) { p.Vary = d.vary(n, path) }},
	)
	return p
}

func (d *decoder) target(n *treeNode, path string, t *TargetPlan) {
	d.object(n, path, "target", "{name: ripple, replicas: 2}",
		field{"name", d.text(&t.Name, "ripple")},
		field{"image", d.text(&t.Image, "postgres:17")},
		field{"replicas", d.number(&t.Replicas, replicasSpan, "2")},
		field{"options", func(n *treeNode, path string) { d.options(n, path, t) }},
		field{"failover", func(n *treeNode, path string) {
			d.object(n, path, "failover", "{after: 1s, choose: most-advanced}",
				field{"after", d.duration(&t.Failover.After, pauseSpan)},
				field{"choose", d.word(&t.Failover.Choose, choices)})
		}},
	)
}

// options reads the target's own settings: any names, single values.
func (d *decoder) options(n *treeNode, path string, t *TargetPlan) {
	if n.kind == treeNull || n.kind == treeFailed {
		return
	}
	if n.kind != treeMap {
		d.wrong(n, path, fmt.Sprintf("options wants a map, not %s", n.kind), "e.g. {replication: sync}")
		return
	}
	t.Options = make(map[string]string, len(n.keys))
	for _, k := range n.keys {
		switch k.value.kind {
		case treeFailed:
		case treeScalar:
			t.Options[k.name] = k.value.text
		case treeNull:
			d.found = append(d.found, d.src.at(k.place, join(path, k.name), fmt.Sprintf("option %s has no value", shorten(k.name)), "give it one or take it away"))
		default:
			d.wrong(k.value, join(path, k.name), fmt.Sprintf("option %s wants a single value, not %s", shorten(k.name), k.value.kind), "write one word, number or text")
		}
	}
}

// vary reads the varied paths; whether they exist is seen when they are set.
func (d *decoder) vary(n *treeNode, path string) []Vary {
	if n.kind == treeNull || n.kind == treeFailed {
		return nil
	}
	if n.kind != treeMap {
		d.wrong(n, path, fmt.Sprintf("vary wants a map, not %s", n.kind), "e.g. {target.replicas: [1, 2, 4]}")
		return nil
	}
	var all []Vary
	runs := 1
	for i := range n.keys {
		k := &n.keys[i]
		v := Vary{Path: k.name}
		if k.value.kind == treeScalar || k.value.kind == treeNull || k.value.kind == treeList && len(k.value.items) == 0 {
			d.found = append(d.found, d.src.at(k.place, join(path, k.name), fmt.Sprintf("vary %s has no list of values", shorten(k.name)), "e.g. target.replicas: [1, 2, 4]"))
			continue
		}
		d.list(maxVariants, "[1, 2, 4]", func(n *treeNode, path string) { d.varied(&v, n, path) })(k.value, join(path, k.name))
		if runs *= max(1, len(v.Values)); runs > maxVariants {
			d.found = append(d.found, d.src.at(k.place, join(path, k.name), fmt.Sprintf("vary makes more than %d runs of this plan", maxVariants), "vary fewer paths or values"))
			return nil
		}
		all = append(all, v)
	}
	return all
}

func (d *decoder) varied(v *Vary, n *treeNode, path string) {
	text, ok := d.scalar(n, path, "single values", "[1, 2, 4]")
	if !ok {
		return
	}
	for _, have := range v.Values {
		if have == text {
			d.wrong(n, path, fmt.Sprintf("vary %s has the value %s twice", v.Path, shorten(text)), "keep one of them")
			return
		}
	}
	v.Values = append(v.Values, text)
}

// defaultPlan is a plan with the defaults of all that a file may leave out.
func defaultPlan() *Plan {
	return &Plan{
		Host:     hosts[0],
		Target:   TargetPlan{Replicas: 2, Failover: Failover{After: time.Second, Choose: choices[0]}},
		Warmup:   time.Second,
		Duration: 10 * time.Second,
		Settle:   10 * time.Second,
		StopOn:   stops[0],
		Gates:    Gates{MinOps: 100},
		Timeouts: Timeouts{Connect: 300 * time.Millisecond, Operation: time.Second},
		normal:   true,
	}
}
