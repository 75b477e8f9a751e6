// Package foreign reads histories that other tools recorded, and writes ours
// in their form: Jepsen's and Maelstrom's EDN (one operation a line, or one
// vector of them), Jepsen's text form and its log, the JSON that elle-cli
// takes, and the key-value form of porcupine's tests.
//
// A file is read twice and never held: once as far as it takes to know what
// its operations mean, and then operation by operation. What stays in memory is
// the history itself: about 100 bytes per operation, 8 per element of a set or
// list that was read, and each distinct value that is no integer once. While it
// grows, a history needs as much again for a moment. With judging, 1 GB of EDN
// takes 1.4 GiB of registers and 3.2 GiB of transactions on lists.
package foreign

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/history"
)

// Bounds of what is read, so that a damaged or hostile file cannot ask for more
// memory than a long history needs.
const (
	maxOpBytes  = 64 << 20 // text of one operation
	maxOpValues = 1 << 21  // values in one operation, 64 bytes each
	maxDepth    = 64       // of values within values
	headBytes   = 64 << 10 // by which a format is recognised
)

// Options say how a history is to be understood.
type Options struct {
	Model string // one of Models(); empty: it is inferred
}

// Import is a history from elsewhere.
type Import struct {
	Log    *history.Log
	Names  *Names // what stands for values and keys that are no integers
	Format Format
	Model  string
	Notes  []string // what was assumed
}

// Load reads the file at path. ok is false, without an error, for a file in
// none of the formats.
func Load(path string, o Options) (i *Import, ok bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("read a history: %w", err)
	}
	defer file.Close()
	head, err := readHead(file)
	if err != nil {
		return nil, false, fmt.Errorf("read a history: %w", err)
	}
	if Recognise(head) == Unrecognised {
		return nil, false, nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, true, fmt.Errorf("read %s twice: %w: give a regular file, not a pipe", path, err)
	}
	i, err = Read(file, filepath.Base(path), o)
	return i, true, err
}

// Read reads a history; name is for messages, which have the form
// "name:line: what is wrong".
func Read(in io.ReadSeeker, name string, o Options) (*Import, error) {
	head, err := readHead(in)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	format := Recognise(head)
	if format == Unrecognised {
		return nil, fmt.Errorf("%s: neither EDN, JSON nor text with operations such as {:process 0, :type :invoke, :f :read, :value nil}", name)
	}
	open := func() (source, error) {
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read %s from its beginning: %w", name, err)
		}
		return newSource(format, in, name), nil
	}
	events, err := open()
	if err != nil {
		return nil, err
	}
	s, err := survey(events, name, o.Model)
	if err != nil {
		return nil, err
	}
	if events, err = open(); err != nil {
		return nil, err
	}
	b := newBuilder(name, s)
	for {
		e, err := events.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := b.take(e); err != nil {
			return nil, err
		}
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	return &Import{Log: b.log, Names: b.names, Format: format, Model: s.model.name, Notes: b.notes}, nil
}

// readHead reads what a format is recognised by.
func readHead(in io.Reader) ([]byte, error) {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// source gives the entries of a history one by one. An entry is valid until the
// next call. At the end the error is io.EOF; any other names file and line.
type source interface {
	next() (*entry, error)
}

func newSource(format Format, in io.Reader, name string) source {
	switch format {
	case JSON:
		return newJSONReader(in, name)
	case Text:
		return newTextReader(bufio.NewReaderSize(in, 1<<16), name)
	}
	return newEDNReader(in, name)
}
