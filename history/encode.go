package history

import (
	"bytes"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// endMark ends an Arrow IPC stream.
var endMark = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}

// encoder writes an Arrow stream, each message by one Write. After an error it
// must not be used again: the stream ends in the middle of a message.
type encoder struct {
	w      io.Writer
	stream *ipc.Writer
	begun  bool
	buf    bytes.Buffer
	cols   *Columns
	sorter sorter
}

// newEncoder writes the schema at once: a history killed before its first
// operation can be read.
func newEncoder(w io.Writer, meta Meta) (*encoder, error) {
	cols, err := NewColumns(meta)
	if err != nil {
		return nil, err
	}
	e := &encoder{w: w, cols: cols}
	e.stream = ipc.NewWriterWithPayloadWriter((*payloadWriter)(e), ipc.WithSchema(cols.schema), ipc.WithZstd())
	payload := ipc.GetSchemaPayload(cols.schema, memory.DefaultAllocator)
	defer payload.Release()
	return e, e.message(payload)
}

// message writes one message to the file.
func (e *encoder) message(p ipc.Payload) error {
	e.buf.Reset()
	if _, err := p.WritePayload(&e.buf); err != nil {
		return fmt.Errorf("encode a batch of the history: %w", err)
	}
	if _, err := e.w.Write(e.buf.Bytes()); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return nil
}

// payloadWriter receives the messages of ipc.Writer.
type payloadWriter encoder

func (*payloadWriter) Start() error { return nil }
func (*payloadWriter) Close() error { return nil }

func (p *payloadWriter) WritePayload(payload ipc.Payload) error {
	if !p.begun {
		p.begun = true // the schema: newEncoder has written it
		return nil
	}
	return (*encoder)(p).message(payload)
}

// end marks the history complete.
func (e *encoder) end() error {
	if _, err := e.w.Write(endMark); err != nil {
		return fmt.Errorf("write the history's end mark: %w", err)
	}
	return nil
}

// write sorts ops by Less and writes them as one or more batches.
func (e *encoder) write(ops []Op) error {
	e.sorter.sort(ops)
	for len(ops) > 0 {
		n, elements := 0, 0
		for n < len(ops) && n < maxBatchOps && elements+len(ops[n].Elements) <= maxBatchElements {
			elements += len(ops[n].Elements)
			n++
		}
		if n == 0 {
			return fmt.Errorf("an operation on key %d has %d elements, more than the %d that a history can hold: use smaller sets",
				ops[0].Key, len(ops[0].Elements), maxBatchElements)
		}
		if err := e.batch(ops[:n]); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

func (e *encoder) batch(ops []Op) error {
	record := e.cols.Batch(ops)
	defer record.Release()
	return e.stream.Write(record)
}
