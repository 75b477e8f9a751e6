package results

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
)

//go:embed assets
var assets embed.FS

// chartData is what the report's picture is drawn from.
type chartData struct {
	Series Series `json:"series"`
	Bands  []band `json:"bands"`
}

// band is a shaded part of the picture, in seconds of the run's clock.
type band struct {
	Label string  `json:"label"`
	Begin float64 `json:"begin"`
	End   float64 `json:"end"`
	Quiet bool    `json:"quiet"` // a phase rather than a fault
}

// page is what the template shows.
type page struct {
	V        *Verdict
	Findings []shownFinding // in the order of their gravity, Decisive aside
	Unmet    []Gate
	Met      int
	Lag      []lagLine
	Data     chartData

	StaleWords string
	Stale      []checkers.StaleReads
	SomeStale  bool // the picture leaves nodes with stale reads out
	Guarantees []guarantee
	SetTimes   []setRow
	SetNodes   []setNode
	Isolation  string
	Anomalies  []anomalyRow
	Decisive   *shownFinding // what rules the next level of isolation out, at its shortest

	CSS      template.CSS
	UPlotCSS template.CSS
	UPlotJS  template.JS
	JS       template.JS
}

// HTML writes a run's report as one file that needs nothing else: no network,
// no other files. m gives the picture over time; nil leaves it out.
func HTML(w io.Writer, v *Verdict, m *Measured) error {
	tmpl, err := template.New("report.html.tmpl").Funcs(pageFuncs).ParseFS(assets, "assets/report.html.tmpl")
	if err != nil {
		return fmt.Errorf("read the report's template: %w", err)
	}
	p := page{
		V: v, Lag: lagLines(v), StaleWords: staleWords(v), Stale: staleRows(v),
		Guarantees: guarantees(v), SetTimes: setRows(v), SetNodes: setNodes(v), Isolation: isolationWords(v), Anomalies: anomalyRows(v),
	}
	p.addFindings(v)
	for _, g := range v.Gates {
		if g.Met {
			p.Met++
		} else {
			p.Unmet = append(p.Unmet, g)
		}
	}
	if m != nil {
		p.Data = chartData{Series: m.Series, Bands: bands(v)}
		p.SomeStale = len(m.Series.Stale) < staleNodes(v)
	}
	if err := p.embed(); err != nil {
		return err
	}
	if err := tmpl.Execute(w, p); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// shownFinding is a finding whose operations are listed at once, or when asked for.
type shownFinding struct {
	Finding
	Open bool
}

// openFindings is how many findings' operations are listed at once.
const openFindings = 3

// addFindings takes the findings in. A cycle is drawn with its operations.
func (p *page) addFindings(v *Verdict) {
	i := decisive(v)
	if i >= 0 {
		p.Decisive = &shownFinding{Finding: v.Findings[i]}
	}
	rest := slices.Clone(v.Findings)
	if i >= 0 {
		rest = slices.Delete(rest, i, i+1)
	}
	for n, f := range examples(rest, len(rest)) {
		p.Findings = append(p.Findings, shownFinding{f, n < openFindings && f.Cycle == nil})
	}
}

// lagLine is one replica's lag as clients saw it and as the system told it;
// either may be missing.
type lagLine struct {
	Node string
	Seen *LagRow
	Told *ToldRow
}

func lagLines(v *Verdict) []lagLine {
	var lines []lagLine
	for i := range v.Lag {
		lines = append(lines, lagLine{Node: v.Lag[i].Node, Seen: &v.Lag[i]})
	}
	for i := range v.Told {
		at := slices.IndexFunc(lines, func(l lagLine) bool { return l.Node == v.Told[i].Node })
		if at < 0 {
			at = len(lines)
			lines = append(lines, lagLine{Node: v.Told[i].Node})
		}
		lines[at].Told = &v.Told[i]
	}
	return lines
}

// embed reads the built-in style and scripts, which are the only parts of the
// page that are not escaped.
func (p *page) embed() error {
	var texts [5]string
	for i, name := range [...]string{"report.css", "uPlot/uPlot.min.css", "uPlot/uPlot.iife.min.js", "report.js", "uPlot/LICENSE"} {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return fmt.Errorf("read the report's assets: %w", err)
		}
		texts[i] = string(text)
	}
	p.CSS, p.UPlotCSS = template.CSS(texts[0]), template.CSS(texts[1])
	p.UPlotJS, p.JS = template.JS("/*\n"+texts[4]+"*/\n"+texts[2]), template.JS(texts[3]) // the licence goes where the code goes
	return nil
}

func bands(v *Verdict) []band {
	list := []band{}
	for _, s := range v.Phases {
		if s.Name == "warmup" || s.Name == "heal" || s.Name == "settle" {
			list = append(list, band{Label: s.Name, Begin: float64(s.Begin) / 1e9, End: float64(s.End) / 1e9, Quiet: true})
		}
	}
	for i := range v.Faults {
		f := &v.Faults[i]
		if f.Executed {
			label := strings.TrimSpace(fmt.Sprintf("%s %s %s", f.ID, f.Kind, strings.Join(f.Victims, ", ")))
			list = append(list, band{Label: cut(plain(label), 40), Begin: float64(f.At) / 1e9, End: float64(f.End) / 1e9})
		}
	}
	return list
}

var pageFuncs = template.FuncMap{
	"nanos":   FormatNanos,
	"lag":     formatLag,
	"told":    formatTold,
	"bytes":   func(n *int64) string { return FormatBytes(float64(*n)) },
	"seconds": seconds,
	"signed":  signed,
	"started": func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
	"mark":    func(a Answer) string { return a.mark() },
	"count":   plural,
	"join":    func(s []string) string { return strings.Join(s, ", ") },
	"lasted":  func(f Fault) string { return FormatNanos(f.End - f.At) },
	"valueOf": func(e Evidence) string { return evidenceValue(&e) },
	"title":   func(f Fault) string { return f.title() },
	"value":   func(v FactValue) string { return FormatValue(v.Unit, v.N) },
	"phase":   pagePhase,
	"when":    func(when string) string { return pagePhase(Phase(when)) },
	"last":    func(i int, steps []checkers.Step) bool { return i == len(steps)-1 },

	"cycleHead": cycleHead,
	"meaning":   meaning,
}

// cycleHead is what a finding says of a cycle as a whole.
func cycleHead(f shownFinding) string {
	head, _, _ := strings.Cut(f.Text, ": ")
	return head + ", each of which must precede the next:"
}

func pagePhase(p Phase) string {
	switch p {
	case PhaseBefore:
		return "before faults"
	case PhaseDuring:
		return "during faults"
	}
	return "after faults"
}

func meaning(v FactValue) string {
	if !v.Known && v.Why != "" {
		return v.Why
	}
	fact, _ := LookupFact(v.Name)
	return fact.Meaning
}
