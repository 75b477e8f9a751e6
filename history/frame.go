package history

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	flatbuffers "github.com/google/flatbuffers/go"
)

// errTorn says that the file ends inside a message, or without the end mark.
var errTorn = errors.New("the history ends without its end mark")

// Message types and the codec of Arrow's Message.fbs.
const (
	messageSchema      = 1
	messageDictionary  = 2
	messageRecordBatch = 3
	codecNone          = -1
	codecZstd          = 1
)

// frame is one message of an Arrow IPC stream; it is valid until the next.
type frame struct {
	meta   []byte
	header flatbuffers.Table // the schema or record batch
	kind   byte
	body   []byte
}

// frameReader splits a stream into messages. It holds one message in memory,
// and never reserves more than twice what the stream has really delivered.
type frameReader struct {
	in     *bufio.Reader
	offset int64
	prefix [8]byte
	meta   bytes.Buffer
	body   bytes.Buffer
}

func newFrameReader(in io.Reader) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(in, 1<<16)}
}

// next returns the next message, io.EOF after the end mark, errTorn when the
// stream ends before it, or an error that says what is wrong with the message.
func (r *frameReader) next() (*frame, error) {
	f := &frame{}
	if err := r.read(r.prefix[:]); err != nil {
		return nil, err
	}
	if marker := binary.LittleEndian.Uint32(r.prefix[:]); marker != 0xFFFFFFFF {
		return nil, fmt.Errorf("no Arrow message begins there (%#08x)", marker)
	}
	size := binary.LittleEndian.Uint32(r.prefix[4:])
	if size == 0 {
		if _, err := r.in.ReadByte(); err == nil {
			return nil, errors.New("something follows the end mark")
		} else if !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, io.EOF
	}
	if size > maxMetadataBytes {
		return nil, fmt.Errorf("a message's metadata of %d bytes is more than %d", size, maxMetadataBytes)
	}
	var err error
	if f.meta, err = r.copy(&r.meta, int64(size)); err != nil {
		return nil, err
	}
	bodyLength, err := f.parse()
	if err != nil {
		return nil, err
	}
	if bodyLength < 0 || bodyLength > maxBodyBytes {
		return nil, fmt.Errorf("a message's body of %d bytes is more than %d", bodyLength, maxBodyBytes)
	}
	f.body, err = r.copy(&r.body, bodyLength)
	return f, err
}

// parse reads the Message table: its type, its header and its body's length.
func (f *frame) parse() (bodyLength int64, err error) {
	defer recoverBounds(&err)
	message := flatbuffers.Table{Bytes: f.meta, Pos: flatbuffers.GetUOffsetT(f.meta)}
	f.kind = message.GetByteSlot(6, 0)
	at := message.Offset(8)
	if at == 0 {
		return 0, errors.New("a message has no header")
	}
	message.Union(&f.header, flatbuffers.UOffsetT(at))
	return message.GetInt64Slot(10, 0), nil
}

// recoverBounds turns a slice index out of range into an error: the accessors
// of flatbuffers have no other way to tell of an offset that leads nowhere.
func recoverBounds(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("a message's metadata is damaged: %v", r)
	}
}

func (r *frameReader) read(b []byte) error {
	n, err := io.ReadFull(r.in, b)
	r.offset += int64(n)
	return tornAtEOF(err)
}

// copy reads exactly n bytes into buf.
func (r *frameReader) copy(buf *bytes.Buffer, n int64) ([]byte, error) {
	buf.Reset()
	read, err := io.CopyN(buf, r.in, n)
	r.offset += read
	return buf.Bytes(), tornAtEOF(err)
}

func tornAtEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}
