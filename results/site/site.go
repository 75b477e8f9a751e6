package site

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/compare/page"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/web"
)

//go:embed assets
var assets embed.FS

// The site's files.
const (
	indexFile   = "index.html"
	compareFile = "compare.html"
	plansDir    = "plan"
	runsDir     = "run"
)

// mostCompared is how many of the newest runs the page of comparisons has: each takes
// some 20 kB of it.
const mostCompared = 200

// digestPart is how many characters of a plan's digest name its page.
const digestPart = 16

// planID is the name of a plan's page; empty: it has none.
func planID(p *results.PlanInfo) string {
	digest := strings.TrimPrefix(p.Digest(), "sha256:")
	return digest[:min(digestPart, len(digest))]
}

// id is a run's name as an address has it.
func (r *Run) id() string { return escaped(r.Name) }

// escaped is a path as an address has it.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// link is the path of one of a run's files below the site's root.
func (r *Run) link(file string) string {
	return runsDir + "/" + r.id() + "/" + url.PathEscape(file)
}

// comparable are the runs of which two can be ticked, and how many are left out.
func comparable(runs []*Run) (shown []*Run, left int) {
	all := slices.DeleteFunc(slices.Clone(runs), func(r *Run) bool { return r.Verdict == nil })
	shown = all[:min(len(all), mostCompared)]
	return shown, len(all) - len(shown)
}

// writeCompare writes the page of comparisons.
func writeCompare(w io.Writer, runs []*Run) error {
	shown, left := comparable(runs)
	in := page.Input{Index: indexFile, Left: left}
	for _, r := range shown {
		in.Runs = append(in.Runs, page.Run{ID: r.id(), Link: r.link("report.html"), Verdict: r.Verdict, Over: r.Over})
	}
	return page.HTML(w, in)
}

// index is what the template of the index shows.
type index struct {
	Parts    *web.Parts
	Runs     []row
	Verdicts []string // to choose from
	Plans    []string
	Targets  []string
	Counts   string // in words
	Studies  []file
}

// row is one run of the index.
type row struct {
	ID        string // by which it is compared; empty: it cannot be
	Tone      string
	Mark      string
	Answer    string
	Plan      string
	Target    string // its name alone
	System    string
	Varied    string
	Group     string
	Headline  string
	Wrong     string
	Report    string
	Files     []file
	Trend     string // the page of its plan; empty: it is the only run of it
	Runs      int    // of its plan
	Thumb     *thumb
	NoPicture string
	Torn      bool
	Started   string
	Stamp     string // the same as machines read it
	Lasted    string
	Host      string
	Machine   string
	Seed      uint64
	Text      string // what the filter looks at
}

type file struct{ Name, Link string }

// writeIndex writes the page of all runs.
func writeIndex(w io.Writer, c *Content) error {
	runs := c.Runs
	parts, err := web.Told(assets, []string{"site.css", "index.css"}, []string{"filter.js", "index.js"})
	if err != nil {
		return err
	}
	in := index{Parts: parts}
	for _, name := range c.Studies {
		in.Studies = append(in.Studies, file{report.Plain(name), runsDir + "/" + escaped(name) + "/" + studyFile})
	}
	of := map[string]int{}
	for _, r := range runs {
		of[r.plan]++
	}
	can, _ := comparable(runs)
	for _, r := range runs {
		one := rowOf(r, of[r.plan])
		if len(can) > 0 && can[0] == r {
			one.ID, can = r.id(), can[1:]
		}
		in.Runs = append(in.Runs, one)
		in.Verdicts, in.Targets = append(in.Verdicts, one.Answer), append(in.Targets, one.Target)
		if r.Verdict != nil {
			in.Plans = append(in.Plans, one.Plan)
		}
	}
	in.Counts = strings.TrimSuffix(units.Plural(len(runs), "run", "runs")+": "+countsOf(in.Verdicts), ": ")
	for _, list := range []*[]string{&in.Verdicts, &in.Plans, &in.Targets} {
		slices.Sort(*list)
		*list = slices.DeleteFunc(slices.Compact(*list), func(s string) bool { return s == "" })
	}
	return execute(w, "index.html.tmpl", in)
}

// countsOf are verdicts in words, the worst first: "4 violated, 8 holds".
func countsOf(answers []string) string {
	var parts []string
	for _, a := range []string{string(results.Violated), string(results.Unproven), string(results.Holds), string(results.OnlyMeasured), damaged} {
		if n := len(slices.DeleteFunc(slices.Clone(answers), func(s string) bool { return s != a })); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, a))
		}
	}
	return strings.Join(parts, ", ")
}

// damaged is the verdict of a run that has none.
const damaged = "no verdict"

func rowOf(r *Run, sameplan int) row {
	group, _ := splitName(r.Name)
	one := row{Tone: "unknown", Mark: "!", Answer: damaged, Wrong: report.Plain(r.Wrong), Plan: report.Plain(r.Name), Group: report.Plain(group), NoPicture: report.Plain(r.NoPicture)}
	if !r.Started.IsZero() {
		one.Started, one.Stamp = r.Started.UTC().Format("2006-01-02 15:04:05"), r.Started.UTC().Format(time.RFC3339)
	}
	if v := r.Verdict; v != nil {
		p := v.Plan
		one.Tone, one.Mark, one.Answer = string(v.Verdict), report.Mark(v.Verdict), string(v.Verdict)
		one.Plan, one.System, one.Varied = report.Plain(p.Name), report.Plain(p.System()), report.Plain(compare.Label(p.Varied))
		one.Target, _, _ = strings.Cut(p.Target, " ")
		if p.TargetName != "" {
			one.Target = p.TargetName
		}
		one.Target, one.Headline, one.Seed, one.Host = report.Plain(one.Target), report.Plain(r.Headline), p.Seed, report.Plain(p.Host)
		one.Report, one.Thumb, one.Torn = r.link("report.html"), thumbOf(r), r.Torn
		one.Files = []file{{"plan", r.link("plan.yaml")}, {"verdict", r.link("verdict.json")}}
		if v.Duration > 0 {
			one.Lasted = units.Nanos(v.Duration)
		}
		if v.Machine != nil {
			one.Machine = report.Plain(machineOf(v.Machine))
		}
		if sameplan > 1 && r.plan != "" {
			one.Trend, one.Runs = plansDir+"/"+r.plan+".html", sameplan
		}
	}
	one.Text = strings.ToLower(strings.Join([]string{one.Answer, one.Plan, one.System, one.Varied, one.Group, one.Headline, one.Wrong, one.Started, one.Host, one.Machine, report.Plain(r.Name), fmt.Sprint("seed ", one.Seed)}, " "))
	return one
}

// machineOf is a machine in a few words.
func machineOf(m *results.Machine) string {
	words := m.CPU
	if m.Cores > 0 {
		words += fmt.Sprintf(" × %d", m.Cores)
	}
	return strings.TrimSpace(words)
}

// splitName parts a run's name into that of what it is grouped in, and its own.
func splitName(name string) (group, own string) {
	if at := strings.LastIndexByte(name, '/'); at >= 0 {
		return name[:at], name[at+1:]
	}
	return "", name
}

func execute(w io.Writer, name string, what any) error {
	tmpl, err := template.New(name).Funcs(template.FuncMap{"count": units.Plural}).ParseFS(assets, "assets/*.tmpl")
	if err != nil {
		return fmt.Errorf("read the site's templates: %w", err)
	}
	if err := tmpl.Execute(w, what); err != nil {
		return fmt.Errorf("write the site: %w", err)
	}
	return nil
}
