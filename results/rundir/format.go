package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// FormatVersion is the version of the format in which runs are written today.
// It rises when what is in a run directory changes its meaning, so that a
// program of before would judge the run wrongly, or not at all; a new file that it may pass
// over is no reason. Every version from 1 on can be read for ever.
const FormatVersion = 3

// FormatFile holds the version of a run directory's format as a number. It is
// the first file that is written and the first that is read. The first version
// had none.
const FormatFile = "format"

// maxFormat bounds what is read of a file that should hold a number.
const maxFormat = 64

// readFormat is the version of a directory's format. A version that this
// program does not know is an error, as is anything that is no version: what a
// newer program recorded may mean something else. Errors wrap ErrRunDir.
func readFormat(path string) (int, error) {
	d := Dir{path: path}
	f, err := os.Open(d.File(FormatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 1, nil
	}
	if err != nil {
		return 0, openError(d.File(FormatFile), err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFormat))
	if err != nil {
		return 0, openError(d.File(FormatFile), err)
	}
	text := strings.TrimSpace(string(data))
	version, err := strconv.ParseUint(text, 10, 31)
	switch {
	case err != nil || version == 0:
		return 0, fmt.Errorf("%w: %s holds %q, and not the number of the run's format; take the run from where it was made", ErrRunDir, d.File(FormatFile), text)
	case version > FormatVersion:
		return 0, fmt.Errorf("%w: %s was recorded in format %d, and this program knows formats 1 to %d; use the aftershock that made it, or a newer one",
			ErrRunDir, path, version, FormatVersion)
	}
	return int(version), nil
}

// writeFormat marks a directory that was just made as one of today's format.
func (d *Dir) writeFormat() error {
	return d.Write(FormatFile, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, FormatVersion)
		return err
	})
}
