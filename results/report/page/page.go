package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/say"
	"github.com/aftershock-chaos/aftershock/results/timeline"
	"github.com/aftershock-chaos/aftershock/results/web"
)

//go:embed assets
var assets embed.FS

// shown is what the templates show.
type shown struct {
	V        *results.Verdict
	Rows     report.Rows
	First    firstScreen
	Data     *data // nil: there are no pictures
	Classes  []*evidenceClass
	Decisive *evidence // what rules the next level of isolation out, at its shortest
	Unmet    []results.Gate
	Met      int
	Foreign  bool
	Parts    *web.Parts
}

// HTML writes the report of a run.
func HTML(w io.Writer, in Input) error {
	tmpl, err := template.New("report.html.tmpl").Funcs(funcs).ParseFS(assets, "assets/*.tmpl")
	if err != nil {
		return fmt.Errorf("read the report's templates: %w", err)
	}
	s := shownOf(&in)
	if s.Parts, err = partsOf(s.Data != nil); err != nil {
		return err
	}
	if err := tmpl.Execute(w, s); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Guarded tells whether a stored report can run nothing but this program's scripts, see
// web.Parts.Guards.
func Guarded(report []byte) bool {
	for _, drawn := range []bool{true, false} {
		if parts, err := partsOf(drawn); err == nil && parts.Guards(report) {
			return true
		}
	}
	return false
}

// partsOf are the page's styles and scripts; without pictures there are no scripts.
func partsOf(drawn bool) (*web.Parts, error) {
	if !drawn {
		return web.Told(assets, []string{"report.css"}, nil)
	}
	return web.Drawn(assets, []string{"report.css"}, []string{"levels.js", "draw.js", "lanes.js", "charts.js", "tails.js", "main.js"})
}

func shownOf(in *Input) *shown {
	v := in.Verdict
	s := &shown{V: v, Rows: report.RowsOf(v), First: firstOf(v), Foreign: in.Verdict.Plan.Foreign}
	s.Classes = classesOf(in, s.Rows.Decisive)
	if s.Rows.Decisive >= 0 {
		s.Decisive = evidenceOf(in, s.Rows.Decisive)
		s.Decisive.ID, s.Decisive.Number = "e-decisive", 1
	}
	for _, g := range v.Gates {
		if g.Met {
			s.Met++
		} else {
			s.Unmet = append(s.Unmet, g)
		}
	}
	s.Data = dataOf(in, s.Classes)
	return s
}

var funcs = template.FuncMap{
	"nanos":    units.Nanos,
	"seconds":  units.Instant,
	"signed":   units.Signed,
	"started":  func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
	"mark":     report.Mark,
	"count":    units.Plural,
	"thousand": func(n int) string { return say.Number(float64(n)) },
	"join":     func(s []string) string { return strings.Join(s, ", ") },
	"lasted":   func(f results.Fault) string { return units.Nanos(f.End - f.At) },
	"title":    func(f results.Fault) string { return f.Title() },
	"happened": func(h results.Happening) string { return strings.TrimPrefix(report.Happened(&h), h.Who+" ") },
	"value":    results.FactValue.String,
	"phase":    phaseName,
	"when":     func(when string) string { return phaseName(checkers.Phase(when)) },
	"meaning":  meaning,
	"words":    func(text string, foreign bool) []say.Part { return say.Parts(text, foreign) },
	"head":     cycleHead,
	"command":  func(dir string) string { return "aftershock check --explain " + say.Quoted(dir) },
	"counts":   countsOf,
	"capital": func(s string) string {
		if s == "" {
			return s
		}
		return strings.ToUpper(s[:1]) + s[1:]
	},
}

// cycleHead is what a finding says of a cycle as a whole.
func cycleHead(f *results.Finding) string {
	head, _, _ := strings.Cut(f.Text, ": ")
	return head + ", each of which must precede the next:"
}

// countsOf is what was seen of a fault, in words.
func countsOf(f results.Fault) string {
	var told []string
	if f.Dropped > 0 {
		told = append(told, say.Number(float64(f.Dropped))+" packets dropped")
	}
	for _, words := range sortedKeys(f.Counts) {
		told = append(told, say.Number(float64(f.Counts[words]))+" "+words)
	}
	return strings.Join(told, ", ")
}

func phaseName(p checkers.Phase) string {
	if words, ok := timeline.PhaseWords[p]; ok {
		return words
	}
	return string(p)
}

func meaning(v results.FactValue) string {
	if !v.Known && v.Why != "" {
		return v.Why
	}
	fact, _ := claims.LookupFact(v.Name)
	return fact.Meaning
}
