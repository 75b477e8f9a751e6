package rundir

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms are the names of the histogram logs of a run, each with its file.
var Histograms = []struct{ Name, File, Unit string }{
	{"latency", LatencyFile, "ns"}, {"lag", LagFile, "ns"}, {"staleness", StalenessFile, "ns"}, {"versions", VersionsFile, "versions"},
}

const (
	// ticks are how many percentiles there are for each halving of what is above, as
	// the other tools of HdrHistogram have.
	ticks = 5
	// maxHlog bounds what is read of a histogram log.
	maxHlog = 256 << 20
)

// Distribution is one tag of a histogram log over the whole run; the empty tag is
// all of it.
type Distribution struct {
	Tag         string       `json:"tag"`
	Count       int64        `json:"count"`
	Min         int64        `json:"min"`
	Mean        float64      `json:"mean"`
	Max         int64        `json:"max"`
	Percentiles []Percentile `json:"percentiles"`
}

// Percentile is the value that so many percent of a distribution do not exceed.
type Percentile struct {
	Percentile float64 `json:"percentile"`
	Value      int64   `json:"value"`
	Count      int64   `json:"count"` // of values that do not exceed it
}

// Percentiles reads a histogram log by its name, as Histograms has it, all of it
// first and then each tag. Its errors wrap ErrRunDir.
func (d *Dir) Percentiles(name string) ([]Distribution, error) {
	at := slices.IndexFunc(Histograms, func(h struct{ Name, File, Unit string }) bool { return h.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("%w: no histogram is called %q", ErrRunDir, name)
	}
	path := d.File(Histograms[at].File)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s: the run measured no %s; `aftershock check --write %s` makes it again from the history", ErrRunDir, path, name, d.path)
	case err != nil:
		return nil, openError(path, err)
	case info.Size() > maxHlog:
		return nil, fmt.Errorf("%w: %s has more than %d bytes; read it with HdrHistogram's own tools", ErrRunDir, path, maxHlog)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, openError(path, err)
	}
	merged := map[string]*hdrhistogram.Histogram{}
	reader := hdrhistogram.NewHistogramLogReader(bytes.NewReader(text))
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrRunDir, path, err)
		}
		if h == nil {
			break
		}
		all := merged[h.Tag()]
		if all == nil || h.Max() > all.HighestTrackableValue() {
			wider := hdrhistogram.New(1, max(h.HighestTrackableValue(), 2), int(h.SignificantFigures()))
			wider.Merge(cmp.Or(all, hdrhistogram.New(1, 2, 1)))
			all, merged[h.Tag()] = wider, wider
		}
		all.Merge(h)
	}
	var list []Distribution
	for tag, h := range merged {
		list = append(list, distributionOf(tag, h))
	}
	slices.SortFunc(list, func(a, b Distribution) int { return cmp.Compare(a.Tag, b.Tag) })
	return list, nil
}

func distributionOf(tag string, h *hdrhistogram.Histogram) Distribution {
	d := Distribution{Tag: tag, Count: h.TotalCount(), Min: h.Min(), Mean: h.Mean(), Max: h.Max()}
	for _, b := range h.CumulativeDistributionWithTicks(ticks) {
		d.Percentiles = append(d.Percentiles, Percentile{Percentile: b.Quantile, Value: min(b.ValueAt, d.Max), Count: b.Count})
	}
	return d
}

// WritePercentilesCSV writes one line for each percentile of each tag.
func WritePercentilesCSV(w io.Writer, name string, list []Distribution) error {
	out := csv.NewWriter(w)
	unit := "value"
	for _, h := range Histograms {
		if h.Name == name {
			unit += "_" + h.Unit
		}
	}
	_ = out.Write([]string{"histogram", "tag", "percentile", unit, "count", "total"}) // Error tells
	for _, d := range list {
		for _, p := range d.Percentiles {
			_ = out.Write([]string{name, d.Tag, strconv.FormatFloat(p.Percentile, 'f', -1, 64), strconv.FormatInt(p.Value, 10),
				strconv.FormatInt(p.Count, 10), strconv.FormatInt(d.Count, 10)})
		}
	}
	out.Flush()
	return out.Error()
}

// WritePercentilesJSON writes the same as data.
func WritePercentilesJSON(w io.Writer, name string, list []Distribution) error {
	unit := ""
	for _, h := range Histograms {
		if h.Name == name {
			unit = h.Unit
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Histogram     string         `json:"histogram"`
		Unit          string         `json:"unit"`
		Distributions []Distribution `json:"distributions"`
	}{name, unit, list})
}
