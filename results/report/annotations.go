package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/results"
)

// mostAnnotations is how many of a kind GitHub shows of a step.
const mostAnnotations = 10

// GitHubAnnotations writes what is violated as errors, and what is unknown and gates that
// are not met as warnings, at their places in the plans, as commands to GitHub's runner.
func GitHubAnnotations(w io.Writer, verdicts ...*results.Verdict) error {
	var failed, doubtful []string
	for _, v := range verdicts {
		name := v.Plan.Name + variedWords(v)
		for _, c := range v.Claims {
			switch c.Answer {
			case results.Violated:
				message := c.Detail
				for _, f := range examples(ownFindings(c, v.Findings), 1) {
					message += "\n" + worded(v, f.Text)
				}
				failed = append(failed, annotation("error", v, c.Line, fmt.Sprintf("%s: %s is violated", name, c.Claim), message))
			case results.Unproven:
				doubtful = append(doubtful, annotation("warning", v, c.Line, fmt.Sprintf("%s: %s is unknown", name, c.Claim), c.Detail))
			}
		}
		for _, g := range v.Gates {
			if !g.Met {
				doubtful = append(doubtful, annotation("warning", v, v.Plan.Line, fmt.Sprintf("%s: gate not met: %s", name, g.Name), g.Detail))
			}
		}
	}
	_, err := io.WriteString(w, strings.Join(slices.Concat(few("error", failed), few("warning", doubtful)), ""))
	return err
}

// few are as many commands of a kind as are shown; the last says how many are not.
func few(kind string, commands []string) []string {
	if len(commands) <= mostAnnotations {
		return commands
	}
	more := fmt.Sprintf("::%s::%d more are in the summary\n", kind, len(commands)-mostAnnotations+1)
	return append(slices.Clone(commands[:mostAnnotations-1]), more)
}

var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// maxAnnotation bounds a message, which is shown beside a line of a plan.
const maxAnnotation = 1000

// annotation is a command to GitHub's runner in one line.
func annotation(kind string, v *results.Verdict, line int, title, message string) string {
	place := ""
	if v.Plan.File != "" {
		place = fmt.Sprintf("file=%s,line=%d,", commandProperty.Replace(plain(v.Plan.File)), cmp.Or(line, v.Plan.Line, 1))
	}
	var lines []string
	for l := range strings.SplitSeq(message, "\n") {
		lines = append(lines, plain(l))
	}
	text := cut(strings.Join(lines, "\n"), maxAnnotation)
	return fmt.Sprintf("::%s %stitle=%s::%s\n", kind, place, commandProperty.Replace(cut(plain(title), maxEvidenceLine)), commandData.Replace(text))
}
