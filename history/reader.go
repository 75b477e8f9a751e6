package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Reader reads a history batch by batch, in memory that does not grow with its
// length.
type Reader struct {
	name    string
	frames  *frameReader
	decoder *decoder
	batches int
	torn    bool
	err     error // of every further Next
}

// NewReader reads the beginning of a history; name is for messages. A history
// that ends before its first batch gives a Reader without batches that is torn.
// The error wraps ErrFormat if in does not hold a history of this format.
func NewReader(in io.Reader, name string) (*Reader, error) {
	r := &Reader{name: name, frames: newFrameReader(in)}
	first, err := r.frames.next()
	if errors.Is(err, errTorn) {
		r.torn, r.err = true, io.EOF
		return r, nil
	}
	if err == nil {
		err = r.begin(first)
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: %s holds no schema: name a %s that aftershock recorded", ErrFormat, name, FileName)
	case isReadError(err):
		return nil, fmt.Errorf("read the history: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w (name a %s that aftershock recorded)", ErrFormat, name, err, FileName)
	}
	return r, nil
}

func (r *Reader) begin(first *frame) error {
	what, err := describe(first)
	if err != nil {
		return err
	}
	r.decoder, err = newDecoder(what)
	return err
}

// Meta is the history's description; it is zero when Torn is true before the
// first batch and the file ends inside its description.
func (r *Reader) Meta() Meta {
	if r.decoder == nil {
		return Meta{}
	}
	return r.decoder.meta
}

// Offset is how many bytes of the history were read, up to the end of the last batch.
func (r *Reader) Offset() int64 { return r.frames.offset }

// Torn is true once Next has returned io.EOF for a history without end mark.
func (r *Reader) Torn() bool { return r.torn }

// Next returns the next batch's operations, sorted by Less within the batch as
// a rule and overlapping the batches before. They are valid until the next
// call, their Elements for ever. At the end, and where a torn history ends, the
// error is io.EOF. Another error wraps ErrFormat, names the place, and comes
// again with every further call.
func (r *Reader) Next() ([]Op, error) {
	if r.err != nil {
		return nil, r.err
	}
	at := r.frames.offset
	f, err := r.frames.next()
	for err == nil && f.kind == messageDictionary {
		if err = r.decoder.dictionary(f); err == nil {
			at = r.frames.offset
			f, err = r.frames.next()
		}
	}
	var ops []Op
	if err == nil {
		ops, err = r.decoder.batch(f)
	}
	switch {
	case err == nil:
		r.batches++
		return ops, nil
	case errors.Is(err, errTorn):
		r.torn, r.err = true, io.EOF
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	case isReadError(err):
		r.err = fmt.Errorf("read batch %d of the history: %w", r.batches+1, err)
	default:
		r.err = fmt.Errorf("%w: %s is damaged in batch %d at byte %d: %w (cut the file off there to keep what comes before)",
			ErrFormat, r.name, r.batches+1, at, err)
	}
	return nil, r.err
}

// isReadError tells a file that cannot be read from one that makes no sense.
func isReadError(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path)
}
