package history

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

// maxEventBytes bounds a line of the events' file.
const maxEventBytes = 1 << 20

// EventLog writes events.jsonl: one event a line, in the file when Append
// returns. It may be used by many goroutines at once.
type EventLog struct {
	mu    sync.Mutex
	file  *os.File
	buf   bytes.Buffer
	err   error
	count int       // of the events written
	sum   hash.Hash // of their lines
	lost  bool      // some event could not be written
}

// CreateEventLog creates the file, which must not exist.
func CreateEventLog(path string) (*EventLog, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create the event log: %w", err)
	}
	return &EventLog{file: file, sum: sha256.New()}, nil
}

// Append writes one event. After an error of the file every further Append
// returns the same error: the last line may be incomplete, and must stay last.
func (l *EventLog) Append(e Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.write(e)
	l.lost = l.lost || err != nil
	if err == nil {
		l.count++
		l.sum.Write(l.buf.Bytes())
	}
	return err
}

func (l *EventLog) write(e Event) error {
	if l.err != nil {
		return l.err
	}
	l.buf.Reset()
	encoder := json.NewEncoder(&l.buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	if l.buf.Len() > maxEventBytes {
		return fmt.Errorf("an event of %d bytes is more than %d: shorten its detail", l.buf.Len(), maxEventBytes)
	}
	if _, err := l.file.Write(l.buf.Bytes()); err != nil {
		l.err = fmt.Errorf("write the event log: %w", err)
	}
	return l.err
}

// Sync has the disk keep what was appended so far.
func (l *EventLog) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync the event log: %w", err)
	}
	return nil
}

// End writes the end mark, by which a reader knows that no event is missing and
// none was changed, has the disk keep all and closes the file. files are
// checksums (see Checksum) of other files of the run, by name, which a reader of
// the log can hold these to. If an event could not be written the mark is left
// out, so that the file is read as torn.
func (l *EventLog) End(at int64, files map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if !l.lost {
		err = l.write(Event{At: at, Kind: EventEnd, Count: l.count, Sum: sumText(l.sum), Files: files})
	}
	if syncErr := l.file.Sync(); err == nil && syncErr != nil {
		err = fmt.Errorf("sync the event log: %w", syncErr)
	}
	return errors.Join(err, l.close())
}

// Close closes the file without an end mark.
func (l *EventLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close()
}

func (l *EventLog) close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close the event log: %w", err)
	}
	return nil
}

// Checksum is the checksum of a file's contents as end marks have it.
func Checksum(contents []byte) string {
	sum := sha256.New()
	sum.Write(contents)
	return sumText(sum)
}

func sumText(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }

// EventFile is what an events' file holds.
type EventFile struct {
	Events []Event // without the end mark
	// Torn says why the events may not be those that were written; empty: the
	// end mark is there and true.
	Torn   string
	Marked bool              // there is an end mark, true or not
	Files  map[string]string // as they were given to EventLog.End
}

// ReadEvents reads an events' file in its order. A last line that was cut is
// left out; any other line that is not an event is an error that names it and
// wraps ErrFormat.
func ReadEvents(path string) (EventFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return EventFile{}, fmt.Errorf("read the events: %w", err)
	}
	defer file.Close()
	return decodeEvents(file, path)
}

// noEndMark says what is wrong with events without an end mark.
const noEndMark = "it ends without its end mark, so that events are missing: the harness died, or the file was cut"

func decodeEvents(in io.Reader, name string) (EventFile, error) {
	lines := bufio.NewReaderSize(in, maxEventBytes)
	f := EventFile{Torn: noEndMark}
	sum := sha256.New()
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return EventFile{}, fmt.Errorf("%w: %s:%d: the line is longer than %d bytes; take it out of the file", ErrFormat, name, n, maxEventBytes)
		case err != nil && !errors.Is(err, io.EOF):
			return EventFile{}, fmt.Errorf("read the events of %s: %w", name, err)
		case len(line) == 0:
			return f, nil
		}
		cut := err != nil
		var e Event
		if err := json.Unmarshal(line, &e); err != nil && !cut {
			return EventFile{}, fmt.Errorf("%w: %s:%d: %w; correct the line or take it out", ErrFormat, name, n, err)
		} else if err == nil {
			f.add(e, cut, sum)
		}
		sum.Write(line)
		if cut {
			return f, nil
		}
	}
}

// add takes the next event; cut tells that its line has no end, and sum is that
// of the lines before it.
func (f *EventFile) add(e Event, cut bool, sum hash.Hash) {
	switch {
	case f.Marked:
		f.Torn = "events come after its end mark: it was changed after the run"
	case e.Kind != EventEnd:
	case cut:
	case e.Count != len(f.Events) || e.Sum != sumText(sum):
		f.Torn = fmt.Sprintf("its end mark tells of %d other events than the %d that it holds: it was changed after the run", e.Count, len(f.Events))
	default:
		f.Torn, f.Files = "", e.Files
	}
	if e.Kind == EventEnd {
		f.Marked = true
		return
	}
	f.Events = append(f.Events, e)
}
