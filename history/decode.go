package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"

	"github.com/apache/arrow-go/v18/arrow"
)

// The stream is decoded here and not by arrow-go's ipc.Reader: one damaged byte
// can make that one reserve terabytes, which ends the process and cannot be
// recovered from, and it does not tell a stream that ended from one that was
// cut. What it reads of our files is compared with this in the tests.

// A batch's buffers: validity and data of each column, then the elements'
// validity and offsets, then their child's validity and data.
const (
	batchNodes   = columns + 1
	batchBuffers = 2*columns + 2
)

// decoder turns record batches into operations.
type decoder struct {
	zstd  *zstd.Decoder
	nodes int // len(Meta.Nodes)
	loads int // len(Meta.Workloads)

	codec   int8
	body    []byte
	buffers [batchBuffers]span
	scratch []byte
	ops     []Op
}

// span is a buffer's place in the body.
type span struct{ offset, length int64 }

func newDecoder(meta Meta) (*decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBufferBytes),
		zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("prepare decompression: %w", err)
	}
	return &decoder{zstd: z, nodes: len(meta.Nodes), loads: len(meta.Workloads)}, nil
}

// batch decodes a record batch; the operations are valid until the next one,
// their Elements for ever.
func (d *decoder) batch(f *frame) ([]Op, error) {
	rows, elements, err := d.layout(f)
	if err != nil {
		return nil, err
	}
	d.ops = slices.Grow(d.ops[:0], rows)[:rows]
	clear(d.ops)
	for column := range columnElements {
		raw, err := d.data(2*column+1, rows*fields[column].Type.(arrow.FixedWidthDataType).Bytes())
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", fields[column].Name, err)
		}
		fill(d.ops, column, raw)
	}
	if err := d.elements(elements); err != nil {
		return nil, fmt.Errorf("column %s: %w", fields[columnElements].Name, err)
	}
	return d.ops, d.check()
}

// rows reads a record batch's size from the RecordBatch table.
func (f *frame) rows() (rows, elements int, err error) {
	defer recoverBounds(&err)
	if f.kind != messageRecordBatch {
		return 0, 0, fmt.Errorf("a message of type %d is not a record batch", f.kind)
	}
	h := &f.header
	length := h.GetInt64Slot(4, 0)
	if length < 0 || length > maxBatchOps {
		return 0, 0, fmt.Errorf("a batch of %d rows is more than %d", length, maxBatchOps)
	}
	nodes, buffers := h.Offset(6), h.Offset(8)
	if nodes == 0 || buffers == 0 || h.VectorLen(flatbuffers.UOffsetT(nodes)) != batchNodes ||
		h.VectorLen(flatbuffers.UOffsetT(buffers)) != batchBuffers {
		return 0, 0, errors.New("a batch does not have its columns")
	}
	at := h.Vector(flatbuffers.UOffsetT(nodes))
	for i := range batchNodes {
		n, nulls := h.GetInt64(at), h.GetInt64(at+8)
		at += 16
		switch {
		case i == batchNodes-1 && (n < 0 || n > maxBatchElements):
			return 0, 0, fmt.Errorf("a batch of %d elements is more than %d", n, maxBatchElements)
		case i == batchNodes-1:
			elements = int(n)
		case n != length:
			return 0, 0, fmt.Errorf("column %s has %d rows of %d", fields[i].Name, n, length)
		}
		if i != columnElements && nulls != 0 {
			return 0, 0, fmt.Errorf("column %d has nulls", i)
		}
	}
	return int(length), elements, nil
}

// layout reads the RecordBatch table.
func (d *decoder) layout(f *frame) (rows, elements int, err error) {
	defer recoverBounds(&err)
	if rows, elements, err = f.rows(); err != nil {
		return 0, 0, err
	}
	h := &f.header
	buffers := h.Offset(8)
	d.body, d.codec = f.body, codecNone
	if err := d.spans(h, h.Vector(flatbuffers.UOffsetT(buffers))); err != nil {
		return 0, 0, err
	}
	if compression := h.Offset(10); compression != 0 {
		table := flatbuffers.Table{Bytes: h.Bytes, Pos: h.Indirect(h.Pos + flatbuffers.UOffsetT(compression))}
		if d.codec = table.GetInt8Slot(4, 0); d.codec != codecZstd {
			return 0, 0, fmt.Errorf("compression %d is not zstd", d.codec)
		}
	}
	return rows, elements, nil
}

// spans reads the buffers' places, which must follow one another in the body.
func (d *decoder) spans(h *flatbuffers.Table, at flatbuffers.UOffsetT) error {
	end := int64(0)
	for i := range d.buffers {
		s := span{h.GetInt64(at), h.GetInt64(at + 8)}
		if s.offset < end || s.length < 0 || s.offset > int64(len(d.body)) || s.length > int64(len(d.body))-s.offset {
			return fmt.Errorf("buffer %d is outside its place in the batch", i)
		}
		d.buffers[i], end = s, s.offset+s.length
		at += 16
	}
	return nil
}

// data returns the first want bytes of a buffer, decompressed; they are valid
// until the next call.
func (d *decoder) data(i, want int) ([]byte, error) {
	s := d.buffers[i]
	raw := d.body[s.offset : s.offset+s.length]
	if want == 0 {
		return nil, nil
	}
	if d.codec == codecZstd {
		if len(raw) < 8 {
			return nil, errors.New("its data are cut short")
		}
		size := int64(binary.LittleEndian.Uint64(raw))
		if raw = raw[8:]; size != -1 { // −1: stored as it is
			if size < int64(want) || size > int64(want)+maxPadding {
				return nil, fmt.Errorf("its data are %d bytes, not %d", size, want)
			}
			d.scratch = slices.Grow(d.scratch[:0], want+maxPadding)
			var err error
			if raw, err = d.zstd.DecodeAll(raw, d.scratch[:0:want+maxPadding]); err != nil {
				return nil, fmt.Errorf("decompress: %w", err)
			}
		}
	}
	if len(raw) < want || len(raw) > want+maxPadding {
		return nil, fmt.Errorf("its data are %d bytes, not %d", len(raw), want)
	}
	return raw[:want], nil
}

// fill sets one column's field of every operation. Start comes first: the other
// times are told relative to it.
func fill(ops []Op, column int, raw []byte) {
	le := binary.LittleEndian
	for i := range ops {
		op := &ops[i]
		switch column {
		case columnStart:
			op.Start = int64(le.Uint64(raw[8*i:]))
		case columnTook:
			op.End = op.Start + int64(le.Uint64(raw[8*i:]))
		case columnLate:
			op.Intended = op.Start - int64(le.Uint64(raw[8*i:]))
		case columnWorkload:
			op.Workload = raw[i]
		case columnWorker:
			op.Worker = le.Uint16(raw[2*i:])
		case columnProcess:
			op.Process = le.Uint32(raw[4*i:])
		case columnNode:
			op.Node = int8(raw[i])
		case columnKind:
			op.Kind = Kind(raw[i])
		case columnKey:
			op.Key = le.Uint32(raw[4*i:])
		case columnValue:
			op.Value = int64(le.Uint64(raw[8*i:]))
		case columnOld:
			op.Old = int64(le.Uint64(raw[8*i:]))
		case columnObserved:
			op.Observed = int64(le.Uint64(raw[8*i:]))
		case columnOutcome:
			op.Outcome = Outcome(raw[i])
		case columnError:
			op.Error = Error(raw[i])
		case columnFlags:
			op.Flags = raw[i]
		}
	}
}

// elements sets the operations' Elements, all in one array.
func (d *decoder) elements(n int) error {
	raw, err := d.data(2*columns+1, n*elementBytes)
	if err != nil {
		return err
	}
	arena := make([]int64, n)
	for i := range arena {
		arena[i] = int64(binary.LittleEndian.Uint64(raw[elementBytes*i:]))
	}
	valid := d.buffers[2*columnElements].length > 0 // absent: no row is null
	present := []byte(nil)
	if valid {
		if raw, err = d.data(2*columnElements, (len(d.ops)+7)/8); err != nil {
			return err
		}
		present = slices.Clone(raw)
	}
	if len(d.ops) == 0 {
		return nil
	}
	if raw, err = d.data(2*columnElements+1, 4*(len(d.ops)+1)); err != nil {
		return err
	}
	from := int(int32(binary.LittleEndian.Uint32(raw)))
	for i := range d.ops {
		to := int(int32(binary.LittleEndian.Uint32(raw[4*(i+1):])))
		if from < 0 || to < from || to > n {
			return fmt.Errorf("row %d has elements %d to %d of %d", i, from, to, n)
		}
		if !valid || present[i/8]&(1<<(i%8)) != 0 {
			d.ops[i].Elements = arena[from:to:to]
		}
		from = to
	}
	return nil
}

// check refuses operations whose numbers have no meaning, so that nobody who
// has a Log needs to check an index.
func (d *decoder) check() error {
	for i := range d.ops {
		op := &d.ops[i]
		switch {
		case int(op.Workload) >= d.loads:
			return fmt.Errorf("row %d is of workload %d, there are %d", i, op.Workload, d.loads)
		case op.Node < -1 || int(op.Node) >= d.nodes:
			return fmt.Errorf("row %d is of node %d, there are %d", i, op.Node, d.nodes)
		case int(op.Kind) >= Kinds:
			return fmt.Errorf("row %d is of the unknown kind %d", i, op.Kind)
		case int(op.Outcome) >= len(outcomeNames):
			return fmt.Errorf("row %d has the unknown outcome %d", i, op.Outcome)
		case int(op.Error) >= len(errorNames):
			return fmt.Errorf("row %d has the unknown error %d", i, op.Error)
		}
	}
	return nil
}
