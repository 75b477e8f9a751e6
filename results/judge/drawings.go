package judge

import (
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report/page"
)

const (
	mostDrawings = 4       // registers that are drawn unasked, the first of each class
	mostOfLogs   = 4 << 20 // bytes of each node's log that a report is made of
)

// drawFirst draws the register of the first finding of each class beside the report, so
// that porcupine's view of it is one link away. One that cannot be drawn is left out: the
// report is whole without it.
func (r *Record) drawFirst(v *results.Verdict, m *results.Measured) {
	first := map[checkers.Class]int{}
	var order []checkers.Class
	for i := range min(len(v.Findings), len(m.Findings)) {
		class := v.Findings[i].Class
		at, ok := first[class]
		if !ok {
			order = append(order, class)
		}
		if !ok || page.Happened(&v.Findings[i]) < page.Happened(&v.Findings[at]) {
			first[class] = i
		}
	}
	drawn := map[string]bool{}
	for _, class := range order {
		f := &m.Findings[first[class]]
		if name := r.drawingOf(f); name != "" && !drawn[name] && len(drawn) < mostDrawings {
			drawn[name] = r.draw(name, f, m.Findings) == nil
		}
	}
}

// drawings tells of each finding where its register is drawn, if it is.
func (r *Record) drawings(m *results.Measured) func(int) (string, bool) {
	return func(i int) (string, bool) {
		if i >= len(m.Findings) {
			return "", false
		}
		path := r.drawingOf(&m.Findings[i])
		if path == "" {
			return "", false
		}
		_, err := os.Stat(path)
		return filepath.Base(path), err == nil
	}
}
