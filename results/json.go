package results

import (
	"encoding/json"
	"io"
)

// Report is the machine-readable report of one or more runs.
type Report struct {
	Version int        `json:"version"` // VerdictVersion
	Verdict Answer     `json:"verdict"` // the worst
	Runs    []*Verdict `json:"runs"`
}

// JSON writes the verdicts as one Report.
func JSON(w io.Writer, verdicts ...*Verdict) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(Report{Version: VerdictVersion, Verdict: Worst(verdicts...), Runs: append([]*Verdict{}, verdicts...)})
}
