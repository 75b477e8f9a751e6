package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// op is what a record does to the state.
type op uint8

const (
	opNoop    op = iota + 1 // marks the beginning of an epoch
	opSet                   // key value
	opCAS                   // key old new
	opDel                   // key
	opAdd                   // key member…
	opIncr                  // key
	opForget                // the defect forget-set-on-promote
	opPush                  // key item…
	opPop                   // key: takes the first item
	opPeek                  // key: the defect duplicate-dequeue, a pop that leaves the item
	opPopLast               // key: the defect lifo-dequeue, a pop of the last item
	opEnd
)

// Limits of a record. A command that exceeds them is refused.
const (
	maxKey     = 64 << 10
	maxPayload = 16 << 20
)

// frameHeader is the length and the CRC32C of a frame's payload.
const frameHeader = 8

// minPayload is epoch, index, op, key length and number of arguments.
const minPayload = 8 + 8 + 1 + 1 + 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errShort   = errors.New("incomplete record")
	errCRC     = errors.New("checksum differs")
	errPayload = errors.New("malformed record")
)

// record is one decoded log record. Its slices point into the frame.
type record struct {
	epoch uint64
	index uint64 // from 1, without gaps
	op    op
	key   []byte
	args  [][]byte
}

// frame is an encoded record: the same bytes on disk, in memory and on the
// replication stream. A frame is never changed once made.
//
//	u32 length of payload | u32 CRC32C of payload | payload:
//	u64 epoch | u64 index | u8 op | uvarint length, key | uvarint count | (uvarint length, argument)…
//
// Fixed-width integers are little-endian.
type frame []byte

func (f frame) epoch() uint64 { return binary.LittleEndian.Uint64(f[frameHeader:]) }
func (f frame) index() uint64 { return binary.LittleEndian.Uint64(f[frameHeader+8:]) }

// encodeFrame makes a frame of a record.
func encodeFrame(epoch, index uint64, o op, key []byte, args ...[]byte) frame {
	size := frameHeader + minPayload + binary.MaxVarintLen32 + len(key)
	for _, a := range args {
		size += binary.MaxVarintLen32 + len(a)
	}
	b := make([]byte, frameHeader, size)
	b = binary.LittleEndian.AppendUint64(b, epoch)
	b = binary.LittleEndian.AppendUint64(b, index)
	b = append(b, byte(o))
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	b = binary.AppendUvarint(b, uint64(len(args)))
	for _, a := range args {
		b = binary.AppendUvarint(b, uint64(len(a)))
		b = append(b, a...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-frameHeader))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[frameHeader:], castagnoli))
	return b
}

// nextFrame cuts the first frame off b and checks its checksum.
func nextFrame(b []byte) (f frame, rest []byte, err error) {
	if len(b) < frameHeader {
		return nil, b, errShort
	}
	n := binary.LittleEndian.Uint32(b)
	if n < minPayload || n > maxPayload {
		return nil, b, fmt.Errorf("%w: payload of %d bytes", errPayload, n)
	}
	if uint64(len(b)-frameHeader) < uint64(n) {
		return nil, b, errShort
	}
	f = frame(b[: frameHeader+n : frameHeader+n])
	if crc32.Checksum(f[frameHeader:], castagnoli) != binary.LittleEndian.Uint32(f[4:]) {
		return nil, b, errCRC
	}
	return f, b[frameHeader+n:], nil
}

// decode takes a checked frame apart. args is reused for the arguments.
func (f frame) decode(args [][]byte) (record, error) {
	b := f[frameHeader+16:]
	r := record{epoch: f.epoch(), index: f.index(), op: op(b[0])}
	if r.op < opNoop || r.op >= opEnd {
		return r, fmt.Errorf("%w: operation %d", errPayload, b[0])
	}
	var ok bool
	if r.key, b, ok = cutBytes(b[1:]); !ok {
		return r, fmt.Errorf("%w: key", errPayload)
	}
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return r, fmt.Errorf("%w: number of arguments", errPayload)
	}
	b = b[n:]
	r.args = args[:0]
	for range count {
		var a []byte
		if a, b, ok = cutBytes(b); !ok {
			return r, fmt.Errorf("%w: argument", errPayload)
		}
		r.args = append(r.args, a)
	}
	if len(b) != 0 || len(r.args) < arity[r.op] {
		return r, fmt.Errorf("%w: %d arguments, %d bytes left over", errPayload, len(r.args), len(b))
	}
	return r, nil
}

// arity is the least number of arguments of each op.
var arity = [opEnd]int{opSet: 1, opCAS: 2, opAdd: 1, opPush: 1}

func cutBytes(b []byte) (v, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, b, false
	}
	return b[w : w+int(n)], b[w+int(n):], true
}
