package aftershock

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// YAML is the whole plan with its defaults, in a fixed order, as a file that
// ParsePlans reads back to an equal plan. It fails for a plan that Validate
// would refuse for something that a file cannot say.
func (p *Plan) YAML() ([]byte, error) {
	full := *p
	full.Workloads, full.Faults = slices.Clone(p.Workloads), slices.Clone(p.Faults)
	for i := range full.Faults {
		full.Faults[i].Pick = slices.Clone(full.Faults[i].Pick)
	}
	full.fill()
	if found := full.checkOwn(); len(found) > 0 {
		return nil, fmt.Errorf("write the plan as YAML: %w", joinPlanErrors(found))
	}
	w := &planWriter{}
	w.line("name", full.Name)
	if full.About != "" {
		w.line("about", full.About)
	}
	w.raw("seed", strconv.FormatUint(full.Seed, 10))
	w.line("host", full.Host)
	w.target(full.Target)
	writeList(w, "workloads", full.Workloads, flowWorkload)
	w.raw("warmup", spellDuration(full.Warmup))
	w.raw("duration", spellDuration(full.Duration))
	writeList(w, "faults", full.Faults, flowFault)
	w.raw("settle", spellDuration(full.Settle))
	writeList(w, "claims", full.Claims, quote)
	w.line("stop_on", full.StopOn)
	w.raw("gates", flow("min_ops", strconv.Itoa(full.Gates.MinOps)))
	w.raw("timeouts", flow("connect", spellDuration(full.Timeouts.Connect), "operation", spellDuration(full.Timeouts.Operation)))
	if len(full.Vary) > 0 {
		w.text.WriteString("vary:\n")
		for _, v := range full.Vary {
			w.raw("  "+quote(v.Path), flowList(v.Values, quote))
		}
	}
	return []byte(w.text.String()), nil
}

// planWriter collects the lines of a file.
type planWriter struct{ text strings.Builder }

// line writes a key with a text.
func (w *planWriter) line(key, value string) { w.raw(key, quote(value)) }

// raw writes a key with a value that is YAML already.
func (w *planWriter) raw(key, value string) { fmt.Fprintf(&w.text, "%s: %s\n", key, value) }

func writeList[T any](w *planWriter, key string, items []T, write func(T) string) {
	if len(items) == 0 {
		return
	}
	w.text.WriteString(key + ":\n")
	for _, item := range items {
		w.text.WriteString("  - " + write(item) + "\n")
	}
}

func (w *planWriter) target(t TargetPlan) {
	w.text.WriteString("target:\n")
	w.line("  name", t.Name)
	if t.Image != "" {
		w.line("  image", t.Image)
	}
	w.raw("  replicas", strconv.Itoa(t.Replicas))
	if len(t.Options) > 0 {
		var pairs []string
		for _, name := range sortedKeys(t.Options) {
			pairs = append(pairs, quote(name), quote(t.Options[name]))
		}
		w.raw("  options", flow(pairs...))
	}
	w.raw("  failover", flow("after", spellDuration(t.Failover.After), "choose", t.Failover.Choose))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// flowWorkload writes the fields that the workload's type has.
func flowWorkload(s workloads.Spec) string {
	pairs := []string{"name", quote(s.Name)}
	if s.Type != s.Name {
		pairs = append(pairs, "type", quote(s.Type))
	}
	for _, t := range workloads.Types() {
		if t.Name != s.Type {
			continue
		}
		for _, f := range t.Fields {
			if value := workloadValue(s, f.Name); value != "" {
				pairs = append(pairs, f.Name, value)
			}
		}
	}
	return flow(pairs...)
}

// workloadValue is a field's value, empty where it is not set.
func workloadValue(s workloads.Spec, name string) string {
	switch {
	case name == "keys" && s.Keys != 0:
		return strconv.Itoa(s.Keys)
	case name == "clients" && s.Clients != 0:
		return strconv.Itoa(s.Clients)
	case name == "rate" && s.Rate != 0:
		return strconv.FormatFloat(s.Rate, 'f', -1, 64) + "/s"
	case name == "every" && s.Every != 0:
		return spellDuration(s.Every)
	case name == "read_from" && s.ReadFrom != "":
		return quote(s.ReadFrom)
	case name == "distribution" && s.Distribution != "":
		return quote(s.Distribution)
	case name == "mix" && len(s.Mix) > 0:
		var pairs []string
		for _, operation := range sortedKeys(s.Mix) {
			pairs = append(pairs, quote(operation), strconv.Itoa(s.Mix[operation]))
		}
		return flow(pairs...)
	}
	return ""
}

func flowFault(s faults.Spec) string {
	var pairs []string
	switch {
	case s.Every > 0:
		pairs = append(pairs, "every", spellDuration(s.Every))
		if s.At > 0 {
			pairs = append(pairs, "at", spellDuration(s.At))
		}
	default:
		pairs = append(pairs, "at", spellDuration(s.At))
	}
	if s.Every > 0 {
		pairs = append(pairs, "pick", flowList(s.Pick, flowPick))
	}
	return flow(append(pairs, faultPairs(s)...)...)
}

func flowPick(s faults.Spec) string { return flow(faultPairs(s)...) }

// faultPairs writes what a fault does, and for how long.
func faultPairs(s faults.Spec) []string {
	var pairs []string
	switch {
	case s.Kind == "":
	case s.Shape == "":
		pairs = append(pairs, quote(s.Kind), quote(s.Victim))
	default:
		partition := []string{quote(s.Shape), quote(s.Victim)}
		if s.From != "" {
			partition = append(partition, "from", quote(s.From))
		}
		if s.Direction != "" {
			partition = append(partition, "direction", quote(s.Direction))
		}
		pairs = append(pairs, quote(s.Kind), flow(partition...))
	}
	if s.For > 0 {
		pairs = append(pairs, "for", spellDuration(s.For))
	}
	return pairs
}

// flow writes keys and values as a map on one line.
func flow(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, pairs[i]+": "+pairs[i+1])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func flowList[T any](items []T, write func(T) string) string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = write(item)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

var (
	// plainText needs no quotes anywhere in YAML, short of nullText.
	plainText = regexp.MustCompile(`^[A-Za-z0-9_/.]([A-Za-z0-9_/. <>=()*+-]*[A-Za-z0-9_/.()*+-])?$`)
	nullText  = regexp.MustCompile(`^(null|Null|NULL)$`)
)

// quote writes a text as a YAML scalar. Go's escapes in double quotes are
// YAML's too, for text that is valid UTF-8.
func quote(s string) string {
	if plainText.MatchString(s) && !nullText.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}
