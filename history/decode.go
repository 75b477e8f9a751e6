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

// decoder turns record batches into operations.
type decoder struct {
	description
	zstd  *zstd.Decoder
	dicts []dictionary // by column

	codec   int8
	body    []byte
	buffers []span // of the body: validity and data of each column; the last column has offsets, and its child both
	scratch []byte // a column's data, decompressed
	bits    []byte // its validity
	ops     []Op
}

// span is a buffer's place in the body.
type span struct{ offset, length int64 }

func newDecoder(d description) (*decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBufferBytes),
		zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("prepare decompression: %w", err)
	}
	dicts := make([]dictionary, len(d.ids))
	for i := range dicts {
		dicts[i] = newDictionary(nil)
	}
	return &decoder{description: d, zstd: z, dicts: dicts}, nil
}

// batch decodes a record batch; the operations are valid until the next one,
// their Elements for ever.
func (d *decoder) batch(f *frame) ([]Op, error) {
	rows, elements, err := d.layout.rows(f)
	if err != nil {
		return nil, err
	}
	if err := d.place(&f.header, f.body, 2*len(d.layout.fields)+2); err != nil {
		return nil, err
	}
	d.ops = slices.Grow(d.ops[:0], rows)[:rows]
	clear(d.ops)
	for column := range d.layout.fields {
		if column == d.layout.elements() {
			err = d.elements(elements)
		} else {
			err = d.column(column)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", d.layout.fields[column].Name, err)
		}
	}
	return d.ops, nil
}

// column sets the field of every operation that a column has.
func (d *decoder) column(column int) error {
	width := d.layout.fields[column].Type.(arrow.FixedWidthDataType).BitWidth()
	raw, err := d.data(2*column+1, (len(d.ops)*width+7)/8, &d.scratch)
	if err != nil {
		return err
	}
	valid, err := d.validity(column)
	if err != nil {
		return err
	}
	return d.layout.fill(d, column, raw, valid)
}

// validity is the bitmap of a column; nil if every row has a value.
func (d *decoder) validity(column int) ([]byte, error) {
	if d.buffers[2*column].length == 0 || !d.layout.fields[column].Nullable {
		return nil, nil
	}
	return d.data(2*column, (len(d.ops)+7)/8, &d.bits)
}

// rows reads a record batch's size from the RecordBatch table.
func (l *layout) rows(f *frame) (rows, elements int, err error) {
	defer recoverBounds(&err)
	if f.kind != messageRecordBatch {
		return 0, 0, fmt.Errorf("a message of type %d is not a record batch", f.kind)
	}
	h := &f.header
	length := h.GetInt64Slot(4, 0)
	if length < 0 || length > maxBatchOps {
		return 0, 0, fmt.Errorf("a batch of %d rows is more than %d", length, maxBatchOps)
	}
	nodes := h.Offset(6)
	if nodes == 0 || h.VectorLen(flatbuffers.UOffsetT(nodes)) != len(l.fields)+1 {
		return 0, 0, errors.New("a batch does not have its columns")
	}
	at := h.Vector(flatbuffers.UOffsetT(nodes))
	for i := range l.fields {
		n, nulls := h.GetInt64(at), h.GetInt64(at+8)
		at += 16
		switch {
		case n != length:
			return 0, 0, fmt.Errorf("column %s has %d rows of %d", l.fields[i].Name, n, length)
		case nulls != 0 && !l.fields[i].Nullable:
			return 0, 0, fmt.Errorf("column %s has nulls", l.fields[i].Name)
		}
	}
	n := h.GetInt64(at) // of the list's child
	if n < 0 || n > maxBatchElements {
		return 0, 0, fmt.Errorf("a batch of %d elements is more than %d", n, maxBatchElements)
	}
	return int(length), int(n), nil
}

// place finds the n buffers of a RecordBatch table, which must follow one
// another in the body.
func (d *decoder) place(h *flatbuffers.Table, body []byte, n int) (err error) {
	defer recoverBounds(&err)
	d.body, d.codec, d.buffers = body, codecNone, d.buffers[:0]
	if h.Offset(10) != 0 {
		compression := child(h, 10)
		if d.codec = compression.GetInt8Slot(4, 0); d.codec != codecZstd {
			return fmt.Errorf("compression %d is not zstd", d.codec)
		}
	}
	buffers := h.Offset(8)
	if buffers == 0 || h.VectorLen(flatbuffers.UOffsetT(buffers)) != n {
		return errors.New("a batch does not have its columns")
	}
	at, end := h.Vector(flatbuffers.UOffsetT(buffers)), int64(0)
	for i := range n {
		s := span{h.GetInt64(at), h.GetInt64(at + 8)}
		if s.offset < end || s.length < 0 || s.offset > int64(len(body)) || s.length > int64(len(body))-s.offset {
			return fmt.Errorf("buffer %d is outside its place in the batch", i)
		}
		d.buffers, end = append(d.buffers, s), s.offset+s.length
		at += 16
	}
	return nil
}

// data returns the first want bytes of a buffer, decompressed if need be into
// scratch, in which they are until its next use.
func (d *decoder) data(i, want int, scratch *[]byte) ([]byte, error) {
	s := d.buffers[i]
	raw := d.body[s.offset : s.offset+s.length]
	if want == 0 {
		return nil, nil
	}
	if d.codec == codecZstd {
		if len(raw) < 8 {
			return nil, errors.New("its data are cut short")
		}
		size := int64(le.Uint64(raw))
		if raw = raw[8:]; size != -1 { // −1: stored as it is
			if size < int64(want) || size > int64(want)+maxPadding {
				return nil, fmt.Errorf("its data are %d bytes, not %d", size, want)
			}
			*scratch = slices.Grow((*scratch)[:0], want+maxPadding)
			var err error
			if raw, err = d.zstd.DecodeAll(raw, (*scratch)[:0:want+maxPadding]); err != nil {
				return nil, fmt.Errorf("decompress: %w", err)
			}
		}
	}
	if len(raw) < want || len(raw) > want+maxPadding {
		return nil, fmt.Errorf("its data are %d bytes, not %d", len(raw), want)
	}
	return raw[:want], nil
}

// elements sets the operations' Elements, all in one array.
func (d *decoder) elements(n int) error {
	column := d.layout.elements()
	raw, err := d.data(2*column+3, n*elementBytes, &d.scratch)
	if err != nil {
		return err
	}
	arena := make([]int64, n)
	for i := range arena {
		arena[i] = int64(le.Uint64(raw[elementBytes*i:]))
	}
	valid, err := d.validity(column)
	if err != nil || len(d.ops) == 0 {
		return err
	}
	if raw, err = d.data(2*column+1, 4*(len(d.ops)+1), &d.scratch); err != nil {
		return err
	}
	from := int(int32(le.Uint32(raw)))
	for i := range d.ops {
		to := int(int32(le.Uint32(raw[4*(i+1):])))
		if from < 0 || to < from || to > n {
			return fmt.Errorf("row %d has elements %d to %d of %d", i, from, to, n)
		}
		if valid == nil || bitmap(valid).has(i) {
			d.ops[i].Elements = arena[from:to:to]
		}
		from = to
	}
	return nil
}

var le = binary.LittleEndian

// fill sets one column's field of every operation.
func (d *decoder) fill(column int, raw, valid []byte) error {
	switch column {
	case columnWorkload:
		return d.fillWorkload(raw)
	case columnNode, columnKind, columnOutcome, columnError:
		return d.fillWords(column, raw, valid)
	case columnFinalRead, columnWarmup, columnFromPrimary, columnSeen, columnPart:
		d.fillFlags(1<<(column-columnFinalRead), raw)
		return nil
	}
	fillNumbers(d.ops, column, raw)
	if valid != nil {
		d.fillNil(column, valid)
	}
	return nil
}

// fillNumbers sets a field whose column is the same in every version. Start comes
// first: the other times are told relative to it.
func fillNumbers(ops []Op, column int, raw []byte) {
	for i := range ops {
		op := &ops[i]
		switch column {
		case columnStart:
			op.Start = int64(le.Uint64(raw[8*i:]))
		case columnTook:
			op.End = op.Start + int64(le.Uint64(raw[8*i:]))
		case columnLate:
			op.Intended = op.Start - int64(le.Uint64(raw[8*i:]))
		case columnWorker:
			op.Worker = le.Uint16(raw[2*i:])
		case columnProcess:
			op.Process = le.Uint32(raw[4*i:])
		case columnKey:
			op.Key = le.Uint32(raw[4*i:])
		case columnValue:
			op.Value = int64(le.Uint64(raw[8*i:]))
		case columnOld:
			op.Old = int64(le.Uint64(raw[8*i:]))
		case columnObserved:
			op.Observed = int64(le.Uint64(raw[8*i:]))
		}
	}
}

// fillNil sets the numbers that are null.
func (d *decoder) fillNil(column int, valid bitmap) {
	for i := range d.ops {
		switch {
		case valid.has(i):
		case column == columnValue:
			d.ops[i].Value = Nil
		case column == columnOld:
			d.ops[i].Old = Nil
		case column == columnObserved:
			d.ops[i].Observed = Nil
		}
	}
}

// fillFlags sets the flag of a bitmap.
func (d *decoder) fillFlags(flag uint8, flags bitmap) {
	for i := 0; i < len(d.ops); i += 8 {
		if flags[i/8] == 0 {
			continue
		}
		for k := i; k < min(i+8, len(d.ops)); k++ {
			if flags.has(k) {
				d.ops[k].Flags |= flag
			}
		}
	}
}

// fillWorkload sets the workloads, of whose words there may be more than of others.
func (d *decoder) fillWorkload(raw []byte) error {
	dict := &d.dicts[columnWorkload]
	for i := range d.ops {
		index := int(int16(le.Uint16(raw[2*i:])))
		if index < 0 || index >= min(len(dict.words), 1<<8) { // the words are those of the description, in order
			return fmt.Errorf("row %d has %w", i, dict.without(index))
		}
		d.ops[i].Workload = uint8(index)
	}
	return nil
}

// fillWords sets the numbers of a column's words.
func (d *decoder) fillWords(column int, raw []byte, valid bitmap) error {
	dict := &d.dicts[column]
	for i := range d.ops {
		op := &d.ops[i]
		if valid != nil && !valid.has(i) {
			if column == columnNode {
				op.Node = -1
			}
			continue
		}
		code := dict.codes[raw[i]]
		if code == noCode {
			return fmt.Errorf("row %d has %w", i, dict.without(int(int8(raw[i]))))
		}
		switch column {
		case columnNode:
			op.Node = int8(code)
		case columnKind:
			op.Kind = Kind(code)
		case columnOutcome:
			op.Outcome = Outcome(code)
		case columnError:
			op.Error = Error(code + 1) // the first is no error, which is null
		}
	}
	return nil
}
