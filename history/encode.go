package history

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// endMark ends an Arrow IPC stream.
var endMark = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}

// encoder writes an Arrow stream, each message by one Write. After an error it
// must not be used again: the stream ends in the middle of a message.
type encoder struct {
	w      io.Writer
	schema *arrow.Schema
	stream *ipc.Writer
	begun  bool
	buf    bytes.Buffer
	cols   columnBuffers
	sorter sorter
}

// columnBuffers holds one batch by column; its slices are used again and again.
type columnBuffers struct {
	start, took, late, value, old, observed      []int64
	key, process                                 []uint32
	worker                                       []uint16
	workload, node, kind, outcome, errors, flags []uint8
	valid                                        []uint8 // bitmap: the row has elements
	offsets                                      []int32
	elements                                     []int64
}

// newEncoder writes the schema at once: a history killed before its first
// operation can be read.
func newEncoder(w io.Writer, meta Meta) (*encoder, error) {
	schema, err := newSchema(meta)
	if err != nil {
		return nil, err
	}
	e := &encoder{w: w, schema: schema}
	e.stream = ipc.NewWriterWithPayloadWriter((*payloadWriter)(e), ipc.WithSchema(schema), ipc.WithZstd())
	payload := ipc.GetSchemaPayload(schema, memory.DefaultAllocator)
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
	c := &e.cols
	c.reset(len(ops))
	for i := range ops {
		c.add(i, &ops[i])
	}
	arrays := c.arrays()
	record := array.NewRecordBatch(e.schema, arrays, int64(len(ops)))
	defer record.Release()
	for _, a := range arrays {
		a.Release() // the record holds it
	}
	return e.stream.Write(record)
}

func (c *columnBuffers) reset(n int) {
	for _, s := range []*[]int64{&c.start, &c.took, &c.late, &c.value, &c.old, &c.observed} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	for _, s := range []*[]uint32{&c.key, &c.process} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	c.worker = slices.Grow(c.worker[:0], n)[:n]
	for _, s := range []*[]uint8{&c.workload, &c.node, &c.kind, &c.outcome, &c.errors, &c.flags} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	c.valid = slices.Grow(c.valid[:0], (n+7)/8)[:(n+7)/8]
	clear(c.valid)
	c.offsets = append(slices.Grow(c.offsets[:0], n+1), 0)
	c.elements = c.elements[:0]
}

func (c *columnBuffers) add(i int, op *Op) {
	c.start[i], c.took[i], c.late[i] = op.Start, op.End-op.Start, op.Start-op.Intended
	c.value[i], c.old[i], c.observed[i] = op.Value, op.Old, op.Observed
	c.key[i], c.process[i], c.worker[i] = op.Key, op.Process, op.Worker
	c.workload[i], c.node[i], c.kind[i] = op.Workload, uint8(op.Node), uint8(op.Kind)
	c.outcome[i], c.errors[i], c.flags[i] = uint8(op.Outcome), uint8(op.Error), op.Flags
	if op.Elements != nil {
		c.valid[i/8] |= 1 << (i % 8)
		c.elements = append(c.elements, op.Elements...)
	}
	c.offsets = append(c.offsets, int32(len(c.elements)))
}

// arrays wraps the columns without copying them.
func (c *columnBuffers) arrays() []arrow.Array {
	bytesOf := [columnElements][]byte{
		columnStart:    arrow.Int64Traits.CastToBytes(c.start),
		columnTook:     arrow.Int64Traits.CastToBytes(c.took),
		columnLate:     arrow.Int64Traits.CastToBytes(c.late),
		columnWorkload: c.workload,
		columnWorker:   arrow.Uint16Traits.CastToBytes(c.worker),
		columnProcess:  arrow.Uint32Traits.CastToBytes(c.process),
		columnNode:     c.node,
		columnKind:     c.kind,
		columnKey:      arrow.Uint32Traits.CastToBytes(c.key),
		columnValue:    arrow.Int64Traits.CastToBytes(c.value),
		columnOld:      arrow.Int64Traits.CastToBytes(c.old),
		columnObserved: arrow.Int64Traits.CastToBytes(c.observed),
		columnOutcome:  c.outcome,
		columnError:    c.errors,
		columnFlags:    c.flags,
	}
	n := len(c.start)
	arrays := make([]arrow.Array, 0, columns)
	for i, b := range bytesOf {
		arrays = append(arrays, array.MakeFromData(column(fields[i].Type, n, b)))
	}
	nulls := n
	for _, b := range c.valid {
		nulls -= bits.OnesCount8(b)
	}
	child := column(arrow.PrimitiveTypes.Int64, len(c.elements), arrow.Int64Traits.CastToBytes(c.elements))
	list := array.NewData(fields[columnElements].Type, n, []*memory.Buffer{memory.NewBufferBytes(c.valid),
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets))}, []arrow.ArrayData{child}, nulls, 0)
	return append(arrays, array.MakeFromData(list))
}

// column wraps a column without nulls.
func column(t arrow.DataType, n int, b []byte) arrow.ArrayData {
	return array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(b)}, nil, 0, 0)
}
