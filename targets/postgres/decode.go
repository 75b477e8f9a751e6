package postgres

import (
	"encoding/binary"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// decode reads the row of a read or of a compare-and-set.
func decode(op *history.Op, long *payload.Payload, row [][]byte) error {
	if len(row) != 2 && (op.Kind != history.Scan || len(row) != 3) {
		return errReply
	}
	if op.Kind == history.CAS {
		return decodeCAS(op, long, row)
	}
	if len(row[0]) != 1 {
		return errReply
	}
	if row[0][0] != 0 && op.Flags&history.FromPrimary != 0 {
		kit.Refuse(op, history.ErrNotPrimary)
		return nil
	}
	var err error
	if op.Kind == history.Scan {
		return decodeScan(op, long, row[1], row[2])
	}
	if op.Kind == history.ReadSet {
		op.Elements, err = appendArray(op.Elements[:0], long, row[1])
	} else {
		op.Value, err = value(long, row[1])
	}
	return err
}

// decodeScan puts the values that were found in their places; keys without one
// hold Nil.
func decodeScan(op *history.Op, long *payload.Payload, keys, values []byte) error {
	op.Elements = op.Elements[:0]
	for range op.Old {
		op.Elements = append(op.Elements, history.Nil)
	}
	if keys == nil && values == nil {
		return nil // there is none
	}
	found, err := appendArray(nil, nil, keys)
	if err != nil {
		return err
	}
	held, err := appendArray(make([]int64, 0, len(found)), long, values)
	if err != nil || len(held) != len(found) {
		return errReply
	}
	for i, key := range found {
		at := key - int64(op.Key)
		if at < 0 || at >= op.Old {
			return errReply
		}
		op.Elements[at] = held[i]
	}
	return nil
}

// decodeCAS reads how many rows were changed, and the value before. That value
// is told as the current one only if it explains the failure: the comparison is
// made with the newest value, which may have been committed in between.
func decodeCAS(op *history.Op, long *payload.Payload, row [][]byte) error {
	changed, err := number(row[0])
	if err != nil || changed < 0 || changed > 1 {
		return errReply
	}
	before, err := value(long, row[1])
	if err != nil || changed == 1 {
		return err
	}
	kit.Refuse(op, history.ErrCompare)
	if before != op.Old {
		op.Observed = before
		op.Flags |= history.Seen
	}
	return nil
}

// value reads a value: an int8, or a text with a payload; NULL is Nil.
func value(long *payload.Payload, b []byte) (int64, error) {
	if long == nil || b == nil {
		return number(b)
	}
	return long.Parse(b)
}

// number reads an int8 in binary; NULL is Nil.
func number(b []byte) (int64, error) {
	switch len(b) {
	case 8:
		return int64(binary.BigEndian.Uint64(b)), nil
	case 0:
		if b == nil {
			return history.Nil, nil
		}
	}
	return 0, errReply
}

// appendArray reads a one-dimensional int8[] or text[] in binary: the number of
// dimensions, a flag for NULLs and the element type, then, unless it is empty,
// length and lower bound, then each element after its length.
func appendArray(to []int64, long *payload.Payload, b []byte) ([]int64, error) {
	const header, dimension, length = 12, 8, 4
	if oid := [forms]uint32{int8OID, textOID}[formOf(long)]; len(b) < header || binary.BigEndian.Uint32(b[8:]) != oid {
		return to, errReply
	}
	if binary.BigEndian.Uint32(b) == 0 {
		return to, nil
	}
	if binary.BigEndian.Uint32(b) != 1 || len(b) < header+dimension {
		return to, errReply
	}
	n := binary.BigEndian.Uint32(b[header:])
	b = b[header+dimension:]
	for ; n > 0 && len(b) >= length; n-- {
		size := uint64(binary.BigEndian.Uint32(b))
		if size > uint64(len(b)-length) { // a NULL too, whose length is the greatest
			return to, errReply
		}
		v, err := value(long, b[length:length+size:length+size])
		if err != nil {
			return to, errReply
		}
		to, b = append(to, v), b[length+size:]
	}
	if n > 0 || len(b) > 0 {
		return to, errReply
	}
	return to, nil
}
