package history

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// The first version of the format has numbers for words, and the flags as the
// bits of one column, which stands where the columns of flags begin. The names
// of the numbers are in the schema's metadata, and have not changed since.
const columnFirstFlags = columnFinalRead

// first is the layout of version 1.
var first = layout{fields: firstFields(), fill: (*decoder).fillFirst}

func firstFields() []arrow.Field {
	of := append(fields[:columnFirstFlags:columnFirstFlags],
		arrow.Field{Name: "flags", Type: uint8Type}, fields[columnElements])
	for i := range of[:columnFirstFlags] {
		of[i].Nullable = false
	}
	of[columnNode].Type = int8Type
	for _, i := range []int{columnWorkload, columnKind, columnOutcome, columnError} {
		of[i].Type = uint8Type
	}
	return of
}

// fillFirst sets one column's field of every operation.
func (d *decoder) fillFirst(column int, raw, _ []byte) error {
	switch column {
	case columnWorkload, columnNode, columnKind, columnOutcome, columnError, columnFirstFlags:
	default:
		fillNumbers(d.ops, column, raw)
		return nil
	}
	for i := range d.ops {
		op := &d.ops[i]
		switch column {
		case columnWorkload:
			op.Workload = raw[i]
		case columnNode:
			op.Node = int8(raw[i])
		case columnKind:
			op.Kind = Kind(raw[i])
		case columnOutcome:
			op.Outcome = Outcome(raw[i])
		case columnError:
			op.Error = Error(raw[i])
		case columnFirstFlags:
			op.Flags = raw[i]
		}
		if err := d.checkFirst(column, op); err != nil {
			return fmt.Errorf("row %d is of %w", i, err)
		}
	}
	return nil
}

// checkFirst refuses numbers that have no meaning, so that nobody who has a Log
// needs to check an index.
func (d *decoder) checkFirst(column int, op *Op) error {
	switch {
	case column == columnWorkload && int(op.Workload) >= len(d.meta.Workloads):
		return fmt.Errorf("workload %d, there are %d", op.Workload, len(d.meta.Workloads))
	case column == columnNode && (op.Node < -1 || int(op.Node) >= len(d.meta.Nodes)):
		return fmt.Errorf("node %d, there are %d", op.Node, len(d.meta.Nodes))
	case column == columnKind && int(op.Kind) >= Kinds:
		return fmt.Errorf("the unknown kind %d", op.Kind)
	case column == columnOutcome && int(op.Outcome) >= len(outcomeNames):
		return fmt.Errorf("the unknown outcome %d", op.Outcome)
	case column == columnError && int(op.Error) >= len(errorNames):
		return fmt.Errorf("the unknown error %d", op.Error)
	}
	return nil
}
