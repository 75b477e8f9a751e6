package report

import (
	"encoding/json"
	"errors"
	"fmt"
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

// maxReport bounds a Report that is read, in bytes.
const maxReport = 1 << 30

// ReadJSON reads the verdicts of a Report.
func ReadJSON(r io.Reader) ([]*results.Verdict, error) {
	var report Report
	if err := json.NewDecoder(io.LimitReader(r, maxReport)).Decode(&report); err != nil {
		return nil, fmt.Errorf("it is no report that --format json writes: %w", err)
	}
	if report.Version != results.VerdictVersion {
		return nil, fmt.Errorf("it has version %d, this program knows %d", report.Version, results.VerdictVersion)
	}
	for _, v := range report.Runs {
		if v == nil {
			return nil, errors.New("one of its runs is null")
		}
	}
	return report.Runs, nil
}
