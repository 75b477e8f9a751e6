package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// magic begins every log file.
var magic = []byte("RIPPLE1\n")

// logName is the log's name in the data directory.
const logName = "ripple.log"

// errCorrupt is wrapped by errors of a log that is damaged before its end.
var errCorrupt = errors.New("the log is corrupt")

// searchCap bounds the bytes that the search for a record behind a damaged one
// runs its checksum over.
const searchCap = 64 << 20

// wal is the log on disk. It is used under Server.walMu.
type wal struct {
	path   string
	file   *os.File
	lock   *os.File
	offset int64       // end of the last whole record
	dirty  atomic.Bool // appended to since the last background sync
	buf    []byte
	syncs  atomic.Int64 // calls of sync
	late   bool         // the defect unsynced-rename: the log has not got its name yet
}

// lateName is the log's name as long as wal.late, and lateUntil its size then.
const (
	lateName  = logName + ".new"
	lateUntil = 4 << 10
)

// openWAL opens or makes the log of a data directory and returns its records.
// A torn tail is cut off. A damaged record that whole records follow is an
// error that names file and offset.
func openWAL(dir string, late bool) (*wal, []frame, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, nil, err
	}
	w := &wal{path: filepath.Join(dir, logName), lock: lock}
	if _, err := os.Stat(w.path); late && errors.Is(err, os.ErrNotExist) {
		w.path, w.late = filepath.Join(dir, lateName), true
		_ = os.Remove(w.path) // as whoever writes a file anew under such a name does
	}
	frames, err := w.open()
	if err != nil {
		_ = w.close() // the first error tells more
		return nil, nil, err
	}
	return w, frames, nil
}

// lockDir takes the data directory for this process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is in use by another node: stop it or give another --data: %w", dir, err)
	}
	return f, nil
}

func (w *wal) open() ([]frame, error) {
	var err error
	if w.file, err = os.OpenFile(w.path, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	data, err := io.ReadAll(w.file)
	if err != nil {
		return nil, fmt.Errorf("read the log %s: %w", w.path, err)
	}
	if len(data) < len(magic) && bytes.HasPrefix(magic, data) {
		// New, or its maker died before it had written the first bytes.
		if _, err := w.file.WriteAt(magic, 0); err != nil {
			return nil, fmt.Errorf("begin the log %s: %w", w.path, err)
		}
		w.offset = int64(len(magic))
		return nil, nil
	}
	frames, end, err := readLog(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; restore the file or empty the data directory and let the node catch up", w.path, err)
	}
	return frames, w.truncate(end)
}

// readLog reads a whole log file. It returns the records, which point into
// data, and the offset at which the last whole one ends; what follows is a
// torn tail, which a crash in the middle of an append leaves behind. If a
// whole record follows the damage it is no torn tail: records that were once
// logged are lost, and the error, which wraps errCorrupt, says where.
func readLog(data []byte) (frames []frame, end int64, err error) {
	if !bytes.HasPrefix(data, magic) {
		return nil, 0, fmt.Errorf("%w at offset 0: not a ripple log", errCorrupt)
	}
	rest := data[len(magic):]
	var epoch uint64
	var args [][]byte
	for len(rest) > 0 {
		offset := int64(len(data) - len(rest))
		f, after, err := nextFrame(rest)
		if err != nil {
			if wholeRecordIn(rest[1:], uint64(len(frames))) {
				return nil, 0, fmt.Errorf("%w at offset %d: %w, and whole records follow", errCorrupt, offset, err)
			}
			return frames, offset, nil
		}
		r, err := f.decode(args)
		if err != nil {
			return nil, 0, fmt.Errorf("%w at offset %d: %w", errCorrupt, offset, err)
		}
		if r.index != uint64(len(frames))+1 || r.epoch < epoch {
			return nil, 0, fmt.Errorf("%w at offset %d: record %d of epoch %d follows record %d of epoch %d",
				errCorrupt, offset, r.index, r.epoch, len(frames), epoch)
		}
		args, epoch, rest = r.args, r.epoch, after
		frames = append(frames, f)
	}
	return frames, int64(len(data)), nil
}

// wholeRecordIn reports whether a record with an index above last begins
// anywhere in b. The bytes checksummed are bounded: b is then taken to hold one,
// which is the careful answer.
func wholeRecordIn(b []byte, last uint64) bool {
	budget := searchCap
	for ; len(b) >= frameHeader+minPayload; b = b[1:] {
		f, _, err := nextFrame(b)
		if err == nil && f.index() > last {
			return true
		}
		if errors.Is(err, errCRC) || err == nil {
			if budget -= int(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24); budget < 0 {
				return true
			}
		}
	}
	return false
}

// append writes records behind the last one. After an error the file may hold
// a part of them; the log must not be used again.
func (w *wal) append(frames []frame) error {
	w.buf = w.buf[:0]
	for _, f := range frames {
		w.buf = append(w.buf, f...)
	}
	if _, err := w.file.WriteAt(w.buf, w.offset); err != nil {
		return fmt.Errorf("append to the log %s: %w", w.path, err)
	}
	w.offset += int64(len(w.buf))
	w.dirty.Store(true)
	if w.late && w.offset > lateUntil {
		to := filepath.Join(filepath.Dir(w.path), logName)
		if err := os.Rename(w.path, to); err != nil {
			return fmt.Errorf("give the log its name: %w", err)
		}
		w.path, w.late = to, false
	}
	if cap(w.buf) > maxBuffer {
		w.buf = nil
	}
	return nil
}

// maxBuffer bounds the buffers that are kept between two uses.
const maxBuffer = 1 << 20

func (w *wal) sync() error {
	w.syncs.Add(1)
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync the log %s: %w", w.path, err)
	}
	return nil
}

// truncate cuts the file at offset, the end of a record.
func (w *wal) truncate(offset int64) error {
	if err := w.file.Truncate(offset); err != nil {
		return fmt.Errorf("cut the log %s at %d: %w", w.path, offset, err)
	}
	w.offset = offset
	return nil
}

// close closes the files without syncing them.
func (w *wal) close() error {
	var errs []error
	for _, f := range []*os.File{w.file, w.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
