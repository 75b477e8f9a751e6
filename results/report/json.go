package report

import (
	"encoding/json"
	"io"

	"github.com/aftershock-chaos/aftershock/results"
)

// Report is the machine-readable report of one or more runs.
type Report struct {
	Version int                `json:"version"` // VerdictVersion
	Verdict results.Answer     `json:"verdict"` // the worst
	Runs    []*results.Verdict `json:"runs"`
}

// JSON writes the verdicts as one Report.
func JSON(w io.Writer, verdicts ...*results.Verdict) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(Report{Version: results.VerdictVersion, Verdict: results.Worst(verdicts...), Runs: append([]*results.Verdict{}, verdicts...)})
}
