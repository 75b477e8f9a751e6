package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/aftershock-chaos/aftershock/results"
)

// qualityIssue is an entry of GitLab's report of code quality, which a merge request
// shows beside its changes.
type qualityIssue struct {
	Description string          `json:"description"`
	Check       string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"` // the same for the same trouble in another run: GitLab compares by it
	Severity    string          `json:"severity"`
	Location    qualityLocation `json:"location"`
}

type qualityLocation struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
}

// GitLab writes what is violated or unknown, and gates that are not met, as GitLab's
// report of code quality. The tests of a pipeline are JUnit's.
func GitLab(w io.Writer, verdicts ...*results.Verdict) error {
	all := []qualityIssue{}
	for _, v := range verdicts {
		name := v.Plan.Name + variedWords(v)
		add := func(severity, check, about, detail string, line int) {
			issue := qualityIssue{Description: cut(plain(fmt.Sprintf("%s: %s: %s: %s", name, check, about, detail)), maxAnnotation), Check: check, Severity: severity}
			sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", v.Plan.File, name, check, about))
			issue.Fingerprint = hex.EncodeToString(sum[:])
			issue.Location.Path, issue.Location.Lines.Begin = qualityPath(v), cmp.Or(line, v.Plan.Line, 1)
			all = append(all, issue)
		}
		for _, c := range v.Claims {
			switch c.Answer {
			case results.Violated:
				add("critical", "violated", c.Claim, c.Detail, c.Line)
			case results.Unproven:
				add("minor", "unknown", c.Claim, c.Detail, c.Line)
			}
		}
		for _, g := range v.Gates {
			if !g.Met {
				add("minor", "gate not met", g.Name, g.Detail, v.Plan.Line)
			}
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}

// qualityPath is a file, which GitLab demands: the plan's, else the run's copy of it.
func qualityPath(v *results.Verdict) string {
	return plain(cmp.Or(v.Plan.File, path.Join(v.Dir, "plan.yaml")))
}
