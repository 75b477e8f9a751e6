package usage

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrFormat is wrapped by the errors of a file that is none of usage.
var ErrFormat = errors.New("not a file of usage")

// The names of what is no node in the file's column node.
const (
	machineName = "(machine)"
	harnessName = "(harness)"
)

// mostSamples is how many samples are kept of a file: where there are more, two
// that follow each other become one.
const mostSamples = 1 << 17

// Writer writes the file: a line of names, and one line for each sample, at_ns
// and node first; what is not known is empty. It may be used by many goroutines.
type Writer struct {
	mu    sync.Mutex
	file  *os.File
	csv   *csv.Writer
	nodes []string
	row   []string
	err   error
}

// Create creates the file, which must not exist.
func Create(path string, nodes []string) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create the file of usage: %w", err)
	}
	w := &Writer{file: file, csv: csv.NewWriter(file), nodes: nodes, row: columnNames()}
	_ = w.csv.Write(w.row) // Flush tells
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return nil, errors.Join(fmt.Errorf("write the file of usage: %w", err), file.Close())
	}
	return w, nil
}

// Append writes one sample, whole lines at a time. After an error every further
// Append returns the same error.
func (w *Writer) Append(s Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	name := machineName
	switch {
	case s.Node == Harness:
		name = harnessName
	case s.Node >= 0 && s.Node < len(w.nodes):
		name = w.nodes[s.Node]
	}
	w.row = append(w.row[:0], strconv.FormatInt(s.At, 10), name)
	for _, n := range s.Set {
		text := ""
		if n != Unknown {
			text = strconv.FormatInt(n, 10)
		}
		w.row = append(w.row, text)
	}
	w.err = w.csv.Write(w.row)
	if w.csv.Flush(); w.err == nil {
		w.err = w.csv.Error()
	}
	if w.err != nil {
		w.err = fmt.Errorf("write the file of usage: %w", w.err)
	}
	return w.err
}

// Close closes the file. It returns the first error of all.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.csv.Flush()
	err := w.file.Close()
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("close the file of usage: %w", err)
	}
	err, w.err = w.err, cmp.Or(w.err, os.ErrClosed)
	return err
}

// Read reads a file's samples by time, those of nodes that the run does not have
// left out. A last line that was cut is left out too. There may be fewer samples
// than were taken, see mostSamples: what counts up does so all the same, and of
// what is of the moment the greatest is kept. A file that is not there is no error.
func Read(path string, nodes []string) ([]Sample, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the usage: %w", err)
	}
	defer file.Close()
	samples, err := decode(file, nodes)
	if err != nil {
		return nil, fmt.Errorf("read the usage of %s: %w", path, err)
	}
	return samples, nil
}

func decode(in io.Reader, nodes []string) ([]Sample, error) {
	buffered := bufio.NewReader(in)
	if cut, err := cutNames(buffered); cut || err != nil {
		return nil, err
	}
	lines := csv.NewReader(buffered)
	lines.ReuseRecord = true
	head, err := lines.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: it has no line of names: %w", ErrFormat, err)
	}
	columns := make([]Figure, len(head))
	for i, name := range head {
		columns[i] = Figure(slices.Index(names[:], name)) // -1: of a program of another version
	}
	if len(head) < 2 || head[0] != "at_ns" || head[1] != "node" {
		return nil, fmt.Errorf("%w: its first columns are not at_ns and node", ErrFormat)
	}
	var samples []Sample
	every := 1
	pending := map[int]merged{}
	for {
		row, err := lines.Read()
		if errors.Is(err, io.EOF) || len(row) < len(head) && err != nil {
			break // a line that was cut is the last
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		s, ok := parse(row, columns, nodes)
		if !ok {
			continue
		}
		p := pending[s.Node]
		if p.add(s) < every {
			pending[s.Node] = p
			continue
		}
		samples = append(samples, p.Sample)
		delete(pending, s.Node)
		if len(samples) >= mostSamples {
			samples, every = thin(samples), 2*every
		}
	}
	for _, p := range pending {
		samples = append(samples, p.Sample)
	}
	slices.SortStableFunc(samples, func(a, b Sample) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Node, b.Node)) })
	return samples, nil
}

// cutNames tells whether a file ends in its line of names, or before: its harness was
// killed then.
func cutNames(in *bufio.Reader) (bool, error) {
	names := columnNames()
	line := strings.Join(names, ",") + "\n"
	there, err := in.Peek(len(line))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return len(there) < len(line) && strings.HasPrefix(line, string(there)), nil
}

// columnNames are those of a file's columns.
func columnNames() []string {
	names := []string{"at_ns", "node"}
	for f := range Figures {
		names = append(names, f.String())
	}
	return names
}

// parse reads a line; one that is cut or of an unknown node is none.
func parse(row []string, columns []Figure, nodes []string) (Sample, bool) {
	s := Sample{Set: None()}
	var err error
	if s.At, err = strconv.ParseInt(row[0], 10, 64); err != nil {
		return s, false
	}
	switch row[1] {
	case machineName:
		s.Node = Machine
	case harnessName:
		s.Node = Harness
	default:
		if s.Node = slices.Index(nodes, row[1]); s.Node < 0 {
			return s, false
		}
	}
	for i, text := range row[2:] {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && columns[i+2] >= 0 {
			s.Set[columns[i+2]] = n
		}
	}
	return s, true
}

// merged is so many samples as one.
type merged struct {
	Sample
	count int
}

func (m *merged) add(s Sample) int {
	if m.count > 0 {
		for f := range Figures {
			if f.momentary() {
				s.Set[f] = max(s.Set[f], m.Set[f])
			}
		}
	}
	m.Sample = s
	m.count++
	return m.count
}

// thin makes one sample of each two of a node.
func thin(samples []Sample) []Sample {
	pending, kept := map[int]merged{}, samples[:0]
	for _, s := range samples {
		p := pending[s.Node]
		if p.add(s) < 2 {
			pending[s.Node] = p
			continue
		}
		kept = append(kept, p.Sample)
		delete(pending, s.Node)
	}
	for _, p := range pending {
		kept = append(kept, p.Sample)
	}
	return kept
}
