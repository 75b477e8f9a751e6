package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxEventBytes bounds a line of the events' file.
const maxEventBytes = 1 << 20

// EventLog writes events.jsonl: one event a line, in the file when Append
// returns. It may be used by many goroutines at once.
type EventLog struct {
	mu   sync.Mutex
	file *os.File
	buf  bytes.Buffer
	err  error
}

// CreateEventLog creates the file, which must not exist.
func CreateEventLog(path string) (*EventLog, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create the event log: %w", err)
	}
	return &EventLog{file: file}, nil
}

// Append writes one event. After an error of the file every further Append
// returns the same error: the last line may be incomplete, and must stay last.
func (l *EventLog) Append(e Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
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

// Close closes the file.
func (l *EventLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close the event log: %w", err)
	}
	return nil
}

// ReadEvents reads an events' file in its order. A last line that was cut is
// left out; any other line that is not an event is an error that names it and
// wraps ErrFormat.
func ReadEvents(path string) ([]Event, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	defer file.Close()
	return decodeEvents(file, path)
}

func decodeEvents(in io.Reader, name string) ([]Event, error) {
	lines := bufio.NewReaderSize(in, maxEventBytes)
	var events []Event
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%w: %s:%d: the line is longer than %d bytes; take it out of the file", ErrFormat, name, n, maxEventBytes)
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read the events of %s: %w", name, err)
		case len(line) == 0:
			return events, nil
		}
		cut := err != nil
		var e Event
		if err := json.Unmarshal(line, &e); err == nil {
			events = append(events, e)
		} else if !cut {
			return nil, fmt.Errorf("%w: %s:%d: %w; correct the line or take it out", ErrFormat, name, n, err)
		}
		if cut {
			return events, nil
		}
	}
}
