package history

import (
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Columns makes Arrow record batches of operations. Its buffers are used again
// and again: a batch is valid until the next one.
type Columns struct {
	schema *arrow.Schema
	dicts  [columns]*array.Data // of columns of words

	start, took, late []int64
	numbers           [3][]int64 // value, old, observed
	key, process      []uint32
	worker            []uint16
	workload          []int16
	node, kind        []uint8
	outcome, errors   []uint8
	flags             [columnElements - columnFinalRead]bitmap
	valid             [columns]bitmap // of columns that may be null
	offsets           []int32
	elements          []int64
}

// bitmap has a bit for each row, the first the least of the first byte.
type bitmap []uint8

func (b bitmap) set(i int)      { b[i/8] |= 1 << (i % 8) }
func (b bitmap) has(i int) bool { return b[i/8]&(1<<(i%8)) != 0 }

// NewColumns prepares for operations that meta describes.
func NewColumns(meta Meta) (*Columns, error) {
	schema, err := newSchema(&meta)
	if err != nil {
		return nil, err
	}
	c := &Columns{schema: schema}
	for i := range fields {
		if fields[i].Type.ID() != arrow.DICTIONARY {
			continue
		}
		words := array.NewStringBuilder(memory.DefaultAllocator)
		words.AppendValues(wordsOf(i, &meta), nil)
		c.dicts[i] = words.NewArray().Data().(*array.Data)
	}
	return c, nil
}

// Schema is that of every batch; its metadata tell the run.
func (c *Columns) Schema() *arrow.Schema { return c.schema }

// Batch has a row for each operation, in their order. The caller releases it.
func (c *Columns) Batch(ops []Op) arrow.RecordBatch {
	c.reset(len(ops))
	for i := range ops {
		c.add(i, &ops[i])
	}
	arrays := c.arrays()
	record := array.NewRecordBatch(c.schema, arrays, int64(len(ops)))
	for _, a := range arrays {
		a.Release() // the record holds it
	}
	return record
}

func (c *Columns) reset(n int) {
	for _, s := range []*[]int64{&c.start, &c.took, &c.late, &c.numbers[0], &c.numbers[1], &c.numbers[2]} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	for _, s := range []*[]uint32{&c.key, &c.process} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	c.worker = slices.Grow(c.worker[:0], n)[:n]
	c.workload = slices.Grow(c.workload[:0], n)[:n]
	for _, s := range []*[]uint8{&c.node, &c.kind, &c.outcome, &c.errors} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	for i := range c.flags {
		c.flags[i].reset(n)
	}
	for i := range fields {
		if fields[i].Nullable {
			c.valid[i].reset(n)
		}
	}
	c.offsets = append(slices.Grow(c.offsets[:0], n+1), 0)
	c.elements = c.elements[:0]
}

func (b *bitmap) reset(n int) {
	n = (n + 7) / 8
	*b = slices.Grow((*b)[:0], n)[:n]
	clear(*b)
}

func (c *Columns) add(i int, op *Op) {
	c.start[i], c.took[i], c.late[i] = op.Start, op.End-op.Start, op.Start-op.Intended
	c.key[i], c.process[i], c.worker[i] = op.Key, op.Process, op.Worker
	c.workload[i], c.kind[i], c.outcome[i] = int16(op.Workload), uint8(op.Kind), uint8(op.Outcome)
	c.number(columnValue, i, op.Value)
	c.number(columnOld, i, op.Old)
	c.number(columnObserved, i, op.Observed)
	c.node[i], c.errors[i] = 0, 0
	if op.Node >= 0 {
		c.node[i] = uint8(op.Node)
		c.valid[columnNode].set(i)
	}
	if op.Error != ErrNone {
		c.errors[i] = uint8(op.Error) - 1
		c.valid[columnError].set(i)
	}
	for flags := op.Flags & allFlags; flags != 0; flags &= flags - 1 {
		c.flags[bits.TrailingZeros8(flags)].set(i)
	}
	if op.Elements != nil {
		c.valid[columnElements].set(i)
		c.elements = append(c.elements, op.Elements...)
	}
	c.offsets = append(c.offsets, int32(len(c.elements)))
}

// number sets a number that may be Nil, which is null.
func (c *Columns) number(column, i int, n int64) {
	if n == Nil {
		n = 0
	} else {
		c.valid[column].set(i)
	}
	c.numbers[column-columnValue][i] = n
}

// arrays wraps the columns without copying them.
func (c *Columns) arrays() []arrow.Array {
	bytesOf := [columnElements][]byte{
		columnStart:    arrow.Int64Traits.CastToBytes(c.start),
		columnTook:     arrow.Int64Traits.CastToBytes(c.took),
		columnLate:     arrow.Int64Traits.CastToBytes(c.late),
		columnWorkload: arrow.Int16Traits.CastToBytes(c.workload),
		columnWorker:   arrow.Uint16Traits.CastToBytes(c.worker),
		columnProcess:  arrow.Uint32Traits.CastToBytes(c.process),
		columnNode:     c.node,
		columnKind:     c.kind,
		columnKey:      arrow.Uint32Traits.CastToBytes(c.key),
		columnValue:    arrow.Int64Traits.CastToBytes(c.numbers[0]),
		columnOld:      arrow.Int64Traits.CastToBytes(c.numbers[1]),
		columnObserved: arrow.Int64Traits.CastToBytes(c.numbers[2]),
		columnOutcome:  c.outcome,
		columnError:    c.errors,
	}
	for i := range c.flags {
		bytesOf[columnFinalRead+i] = c.flags[i]
	}
	n := len(c.start)
	arrays := make([]arrow.Array, 0, columns)
	for i, b := range bytesOf {
		valid, nulls := c.validity(i, n)
		buffers := []*memory.Buffer{valid, memory.NewBufferBytes(b)}
		arrays = append(arrays, array.MakeFromData(array.NewDataWithDictionary(fields[i].Type, n, buffers, nulls, 0, c.dicts[i])))
	}
	valid, nulls := c.validity(columnElements, n)
	child := array.NewData(int64Type, len(c.elements), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(c.elements))}, nil, 0, 0)
	list := array.NewData(fields[columnElements].Type, n, []*memory.Buffer{valid,
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets))}, []arrow.ArrayData{child}, nulls, 0)
	return append(arrays, array.MakeFromData(list))
}

// validity is a column's bitmap, nil if it has no nulls.
func (c *Columns) validity(column, n int) (*memory.Buffer, int) {
	if !fields[column].Nullable {
		return nil, 0
	}
	nulls := n
	for _, b := range c.valid[column] {
		nulls -= bits.OnesCount8(b)
	}
	if nulls == 0 {
		return nil, 0
	}
	return memory.NewBufferBytes(c.valid[column]), nulls
}
