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
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/unpacked"
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
	Model   string // one of Models(); empty: it is inferred
	Initial string // what registers hold at first, in EDN; empty: nil
	// Fits tells whether there is memory for a history of a size. It is asked while
	// one is read. Nil: there is.
	Fits func(history.Size) bool
}

// Import is a history from elsewhere.
type Import struct {
	Name   string // of the file
	Log    *history.Log
	Names  *Names // what stands for values and keys that are no integers
	Format Format
	Model  string
	Notes  []string // what was assumed
}

// StandardInput is the path that stands for it.
const StandardInput = "-"

// Load reads the file at path, or the standard input. It may be compressed with
// gzip or zstd, in UTF-8 or UTF-16, and need not be a regular file: what cannot be
// read twice is kept in a temporary file, which has no name and so is gone with
// the process. ok is false, without an error, for the Arrow stream that a run
// records.
func Load(ctx context.Context, path string, o Options) (i *Import, ok bool, err error) {
	file, name := os.Stdin, "standard input"
	if path != StandardInput {
		if file, err = os.Open(path); err != nil {
			return nil, false, fmt.Errorf("read a history: %w", err)
		}
		defer file.Close()
		name = filepath.Base(path)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, false, fmt.Errorf("read a history: %w", err)
	}
	if !info.Mode().IsRegular() {
		if file, err = unpacked.Keep(ctx, file, name, headBytes, func(head []byte) error { return acceptable(head, name) }); err != nil {
			return nil, false, err
		}
		defer file.Close()
	}
	magic, err := unpacked.Head(file, len(arrowMagic))
	if err != nil {
		return nil, false, fmt.Errorf("read a history: %w", err)
	}
	if len(magic) > 0 && bytes.HasPrefix(arrowMagic, magic) {
		if path == StandardInput || !info.Mode().IsRegular() {
			return nil, false, fmt.Errorf("%s is a run's %s, which is read from its own file only: name that", name, history.FileName)
		}
		return nil, false, nil
	}
	i, err = Read(file, name, o)
	return i, true, err
}

// acceptable is an error for what certainly is no history.
func acceptable(head []byte, name string) error {
	utf16, _ := unpacked.UTF16(head)
	if utf16 || unpacked.Packed(head) || bytes.HasPrefix(head, arrowMagic) || Recognise(head) != Unrecognised {
		return nil
	}
	return notAHistory(head, name)
}

// arrowMagic is how a run's own history begins.
var arrowMagic = []byte{0xff, 0xff, 0xff, 0xff}

// Read reads a history; name is for messages, which have the form
// "name:line: what is wrong".
func Read(in io.ReadSeeker, name string, o Options) (*Import, error) {
	text, head, err := unpacked.New(in, name, headBytes)
	if err != nil {
		return nil, err
	}
	format := Recognise(head)
	if format == Unrecognised {
		return nil, notAHistory(head, name)
	}
	defer text.Close()
	open := func() (source, error) {
		text.Close()
		in, err := text.Open()
		if err != nil {
			return nil, err
		}
		return formats[format].open(in, name), nil
	}
	events, err := open()
	if err != nil {
		return nil, err
	}
	s, err := survey(events, name, o)
	if err != nil {
		return nil, err
	}
	if s.initial, err = initial(o.Initial, s.model, format == JSON); err != nil {
		return nil, err
	}
	for {
		if events, err = open(); err != nil {
			return nil, err
		}
		i, err := build(events, name, s)
		var u *untimed
		if !errors.As(err, &u) || !s.timed {
			if i != nil {
				i.Format = format
			}
			return i, err
		}
		s.timed, s.contradiction = false, u.why // and again, by the order of the lines alone
	}
}

// build makes a history of all entries.
func build(events source, name string, s surveyed) (*Import, error) {
	b := newBuilder(name, s)
	for {
		e, err := events.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := b.add(e); err != nil {
			return nil, err
		}
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	return &Import{Name: name, Log: b.log, Names: b.names, Model: s.model.name, Notes: b.notes}, nil
}

// source gives the entries of a history one by one. An entry is valid until the
// next call. At the end the error is io.EOF; any other names file and line.
type source interface {
	next() (*entry, error)
}
