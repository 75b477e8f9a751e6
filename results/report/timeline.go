package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// The size of a picture in letters.
const (
	timelineColumns = 60
	mostLanes       = 8 // of nodes, and as many of what was found
	maxLaneName     = 24
)

// timeline is a run as a picture made of letters, for places that show no other: the
// faults on each node that they hit, operations acknowledged, and when what contradicts
// itself was found. It is empty for a run without times.
func timeline(v *results.Verdict) []string {
	if v.Duration <= 0 {
		return nil
	}
	p := picture{length: v.Duration}
	p.faults(v)
	if c := v.Course; c != nil && c.Step > 0 {
		p.lane("acknowledged/s", p.bars(c.Acked, c.Step))
		if slices.Max(append([]int{0}, c.Other...)) > 0 {
			p.lane("failed or unknown/s", p.bars(c.Other, c.Step))
		}
	}
	p.found(v.Findings)
	return p.lines()
}

// picture is lanes of letters over the length of a run in nanoseconds.
type picture struct {
	length int64
	lanes  [][2]string
}

func (p *picture) lane(name, letters string) {
	p.lanes = append(p.lanes, [2]string{cut(plain(name), maxLaneName), letters})
}

// column is where an instant is.
func (p *picture) column(at int64) int {
	return int(min(max(float64(at)/float64(p.length), 0)*timelineColumns, timelineColumns-1))
}

// faults draws a lane for each node that was hit, and for each fault without a victim.
func (p *picture) faults(v *results.Verdict) {
	var names []string
	lanes := map[string][]rune{}
	for i := range v.Faults {
		f := &v.Faults[i]
		hit := f.Victims
		if len(hit) == 0 {
			hit = []string{f.Title()}
		}
		for _, name := range hit {
			if !f.Executed || lanes[name] == nil && len(names) == mostLanes {
				continue
			}
			if lanes[name] == nil {
				names, lanes[name] = append(names, name), []rune(strings.Repeat("·", timelineColumns))
			}
			for c := p.column(f.At); c <= p.column(f.End); c++ {
				lanes[name][c] = '█'
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		p.lane(name, string(lanes[name]))
	}
}

// levels are the heights of a bar; nothing at all is an empty place.
const levels = "▁▂▃▄▅▆▇█"

// bars draws counts in parts of step nanoseconds.
func (p *picture) bars(counts []int, step int64) string {
	high := []rune(levels)
	most := slices.Max(append([]int{1}, counts...))
	line := []rune(strings.Repeat(" ", timelineColumns))
	for c := range line {
		part := int((float64(c) + 0.5) / timelineColumns * float64(p.length) / float64(step))
		if part < len(counts) && counts[part] > 0 {
			line[c] = high[min(counts[part]*len(high)/(most+1), len(high)-1)]
		}
	}
	return string(line)
}

// found draws a lane for each class of findings, the gravest first.
func (p *picture) found(findings []results.Finding) {
	marks := map[checkers.Class][]rune{}
	var classes []checkers.Class
	for i := range findings {
		class := findings[i].Class
		if marks[class] == nil {
			classes, marks[class] = append(classes, class), []rune(strings.Repeat(" ", timelineColumns))
		}
		marks[class][p.column(findings[i].At)] = '▲'
	}
	slices.SortStableFunc(classes, func(a, b checkers.Class) int { return say.Gravity(a) - say.Gravity(b) })
	for _, class := range classes[:min(len(classes), mostLanes)] {
		p.lane(say.Class(class).Many, string(marks[class]))
	}
}

// lines are the lanes with their names under an axis.
func (p *picture) lines() []string {
	if len(p.lanes) == 0 {
		return nil
	}
	width := 0
	for _, l := range p.lanes {
		width = max(width, utf8.RuneCountInString(l[0]))
	}
	end := units.Nanos(p.length)
	all := []string{pad("", width) + fmt.Sprintf("  0s%*s", timelineColumns-2, end)}
	for _, l := range p.lanes {
		all = append(all, strings.TrimRight(pad(l[0], width)+"  "+l[1], " "))
	}
	return all
}
