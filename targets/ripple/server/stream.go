package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Times of the replication stream.
const (
	heartbeatEvery = 50 * time.Millisecond
	streamSilence  = time.Second // a stream that is silent for longer is dropped
	dialTimeout    = 300 * time.Millisecond
	redialMin      = 50 * time.Millisecond
	redialMax      = 500 * time.Millisecond
	announceEvery  = 150 * time.Millisecond
)

// The replication stream. A replica sends the command
//
//	REPL name epoch last (epoch first)…
//
// with its epoch history. The primary answers "+CONTINUE epoch common": the
// logs are the same up to the record common, the replica throws away what it
// has behind it, and the stream begins. From then on each message of the
// primary is a type, a length and a body; each of the replica is an ack of
// fixed size. All integers are little-endian. protocol.go has how versions differ.
const (
	msgRecords   = 'R' // u64 committed, frames
	msgHeartbeat = 'H' // u64 epoch, i64 sent (primary's clock), u64 committed, u64 last record
	msgInSync    = 'I' // u64 epoch: the replica is in sync in it
)

const (
	msgHeader     = 5
	heartbeatSize = 32
	ackSize       = 16                      // u64 logged, i64 sent of the last heartbeat (0: none yet)
	maxBatch      = 256 << 10               // bytes of records in one message, but for a single larger one
	maxMessage    = 2*maxPayload + maxBatch // of a message's body
)

var errMessage = errors.New("malformed replication message")

func appendHeader(b []byte, kind byte, size int) []byte {
	return binary.LittleEndian.AppendUint32(append(b, kind), uint32(size))
}

func appendRecords(b []byte, committed uint64, frames []frame) []byte {
	size := 8
	for _, f := range frames {
		size += len(f)
	}
	b = appendHeader(b, msgRecords, size)
	b = binary.LittleEndian.AppendUint64(b, committed)
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

// heartbeat is the body of a msgHeartbeat.
type heartbeat struct {
	epoch     uint64
	sent      int64
	committed uint64
	last      uint64
}

func (h heartbeat) append(b []byte) []byte {
	b = appendHeader(b, msgHeartbeat, heartbeatSize)
	b = binary.LittleEndian.AppendUint64(b, h.epoch)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.sent))
	b = binary.LittleEndian.AppendUint64(b, h.committed)
	return binary.LittleEndian.AppendUint64(b, h.last)
}

func appendInSync(b []byte, epoch uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendHeader(b, msgInSync, 8), epoch)
}

// message is one decoded message of a primary.
type message struct {
	kind      byte
	committed uint64 // msgRecords
	frames    []frame
	heartbeat heartbeat
	epoch     uint64 // msgInSync
}

// readMessage reads one message. Its frames are checked and are the caller's
// to keep.
func readMessage(r io.Reader, protocol int) (message, error) {
	var head [msgHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxMessage {
		return message{}, fmt.Errorf("%w: %d bytes", errMessage, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return message{}, err
	}
	if err := checkSum(r, protocol, head[:], body); err != nil {
		return message{}, err
	}
	return decodeMessage(head[0], body)
}

func decodeMessage(kind byte, b []byte) (message, error) {
	m := message{kind: kind}
	switch {
	case kind == msgRecords && len(b) >= 8:
		m.committed = binary.LittleEndian.Uint64(b)
		var args [][]byte
		for b = b[8:]; len(b) > 0; {
			f, rest, err := nextFrame(b)
			if err != nil {
				return m, fmt.Errorf("%w: %w", errMessage, err)
			}
			r, err := f.decode(args)
			if err != nil {
				return m, fmt.Errorf("%w: %w", errMessage, err)
			}
			m.frames, b, args = append(m.frames, f), rest, r.args
		}
	case kind == msgHeartbeat && len(b) == heartbeatSize:
		m.heartbeat = heartbeat{
			epoch: binary.LittleEndian.Uint64(b), sent: int64(binary.LittleEndian.Uint64(b[8:])),
			committed: binary.LittleEndian.Uint64(b[16:]), last: binary.LittleEndian.Uint64(b[24:]),
		}
	case kind == msgInSync && len(b) == 8:
		m.epoch = binary.LittleEndian.Uint64(b)
	default:
		return m, fmt.Errorf("%w: type %q of %d bytes", errMessage, kind, len(b))
	}
	return m, nil
}

// commonPoint is the last index up to which two logs are the same, given their
// epoch histories and last indexes.
//
// One primary writes all records of an epoch, so two logs that hold a record
// of the same epoch and index are the same up to there (Raft's log matching,
// 5.3). The newest epoch that both have, begun at the same index, ends in each
// log where the next one begins; they agree up to the earlier end.
func commonPoint(a []epochStart, lastA uint64, b []epochStart, lastB uint64) uint64 {
	for i, j := len(a)-1, len(b)-1; i >= 0 && j >= 0; {
		switch {
		case a[i].epoch > b[j].epoch || a[i].epoch == b[j].epoch && a[i].first > b[j].first:
			lastA = a[i].first - 1
			i--
		case a[i] != b[j]:
			lastB = b[j].first - 1
			j--
		default:
			return min(lastA, lastB)
		}
	}
	return 0
}
