// Package lastwords finds out of a server's log why it ended.
package lastwords

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

const (
	// wait bounds the wait for the last output of a server that ended.
	wait = time.Second
	// maxLog is how much of the end of a log is looked at, in bytes.
	maxLog = 64 << 10
	// maxTold bounds the lines that are told, and maxLine each one's runes.
	maxTold = 2
	maxLine = 300
)

// OfFile are the telling lines of a log. Of a server that has ended it waits, for
// a second at most, for what is still on its way into the file. Empty: there is
// no such file, or it says nothing.
func OfFile(path string, ended bool) string {
	var last []byte
	for deadline := time.Now().Add(wait); ; time.Sleep(wait / 10) {
		text, err := endOf(path)
		if !ended || err == nil && len(text) > 0 && bytes.Equal(text, last) || time.Now().After(deadline) {
			return Of(text, ended)
		}
		last = text
	}
}

// endOf reads the last maxLog bytes of a file.
func endOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(max(0, info.Size()-maxLog), io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxLog))
}

var (
	// telling are the words by which servers mark why they end.
	telling = regexp.MustCompile(`(?i)\b(panic|fatal|error|fail(ed|ure)|abort(ed|ing)?|cannot|unable)\b|(?i)"level":"(fatal|error|panic)"`)
	// farewell are marked lines that say only that it ends.
	farewell = regexp.MustCompile(`(?i)\] aborting\s*$|exit status \d+\s*$`)
	// colours are what servers wrap their words in for terminals.
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// Of are the last lines of a log that are marked as errors, in their
// order; of a server that ended without any, its last lines. Empty: it says
// nothing.
func Of(log []byte, ended bool) string {
	var marked, all []string
	for line := range strings.Lines(string(colours.ReplaceAll(log, nil))) {
		line = strings.TrimSpace(line)
		if strings.Trim(line, "=-*_ ") == "" {
			continue
		}
		all = append(all, line)
		if telling.MatchString(line) && !farewell.MatchString(line) {
			marked = append(marked, line)
		}
	}
	lines := marked
	if len(lines) == 0 && ended {
		lines = all
	}
	lines = slices.Clone(lines[max(0, len(lines)-maxTold):])
	for i, line := range lines {
		shown := spelling.Printable(line)
		lines[i] = `"` + string(shown[:min(len(shown), maxLine)]) + `"`
	}
	return strings.Join(lines, ", ")
}
