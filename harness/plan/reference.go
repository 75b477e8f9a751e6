package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Section is the keys of a plan that stand in one map.
type Section struct {
	Path   string         `json:"path"` // of the map: "", "target", "workloads.*"
	Of     string         `json:"of"`   // the plan, target, the workload register, …
	About  string         `json:"about"`
	Fields []schema.Field `json:"fields"`
}

// Reference lists every key that a plan can have.
func Reference(words Words) []Section {
	all := sections(nil, "", "the plan", "what one run is", schema.Fields(planKeys(words)))
	for _, t := range words.Targets {
		info := t.Info()
		if len(info.Options) > 0 {
			all = append(all, Section{"target.options", "the options of " + info.Name, info.About, optionFields(info)})
		}
	}
	for _, t := range workloads.Types() {
		all = append(all, Section{"workloads.*", "the workload " + t.Name, t.About, schema.Fields(workloadKeys(t))})
	}
	all = append(all, workloadGroups()...)
	all = append(all, Section{"faults.*", "a fault", "at or every and one thing that it does, or every and pick", append(schema.Fields(faultKeys()), actionFields()...)},
		Section{"faults.*.pick.*", "a pick", "one of the faults that every repeats", append(schema.Fields(pickKeys()), actionFields()...)})
	for _, f := range actionFields() {
		all = sections(all, "faults.*."+f.Name, f.Name, f.Meaning, f.Fields)
	}
	return all
}

// workloadGroups are the sections of the maps of workloads, each once.
func workloadGroups() []Section {
	var all []Section
	known := map[string]bool{}
	for _, t := range workloads.Types() {
		for _, f := range t.Keys {
			if len(f.Fields) > 0 && !known[f.Name] {
				known[f.Name] = true
				all = append(all, Section{"workloads.*." + f.Name, f.Name, "of a workload: " + f.Meaning, f.Fields})
			}
		}
	}
	return all
}

// sections adds the section of some keys, and then those of the maps among them.
func sections(all []Section, path, of, about string, fields []schema.Field) []Section {
	if len(fields) == 0 {
		return all
	}
	all = append(all, Section{path, of, about, fields})
	for _, f := range fields {
		of, at := f.Name, schema.Join(path, f.Name)
		if f.Type == schema.List {
			of, at = "an entry of "+of, at+".*"
		}
		all = sections(all, at, of, f.Meaning, f.Fields)
	}
	return all
}

const preface = `# The keys of a plan

Made from the tables of keys by ` + "`make reference`" + `; ` + "`aftershock list plan`" + ` says the same. In the paths, * stands for the number of an entry
of a list, from 0; ` + "`--set` and `vary`" + ` take a workload's name in its place too.

Editors that know YAML check and complete a plan with the JSON Schema of ` + "`aftershock list plan --format json-schema`" + `, which is
[schema/plan.json](../schema/plan.json) as well. Say where it is in the plan's first line:

` + "```yaml\n# yaml-language-server: $schema=../schema/plan.json\n```" + `
`

// WriteMarkdown writes the reference as tables.
func WriteMarkdown(w io.Writer, reference []Section) error {
	var b strings.Builder
	b.WriteString(preface)
	for _, s := range reference {
		fmt.Fprintf(&b, "\n## %s\n\n", heading(s))
		if s.About != "" {
			fmt.Fprintf(&b, "%s%s.\n\n", strings.ToUpper(s.About[:1]), s.About[1:])
		}
		b.WriteString("| key | value | left out | meaning |\n|---|---|---|---|\n")
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, cell(f.Values()), cell(f.LeftOut()), cell(f.Told()))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// heading is the section's title: what has the keys, and where it stands.
func heading(s Section) string {
	title := strings.ToUpper(s.Of[:1]) + s.Of[1:]
	if s.Path == "" || s.Path == s.Of {
		return title
	}
	return title + ": `" + s.Path + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
