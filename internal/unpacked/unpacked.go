// Package unpacked reads text that is compressed with gzip or zstd, or in UTF-16,
// as often as it takes, and keeps what comes through a pipe for that.
package unpacked

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"
)

// Text is a file that is read from its beginning, as often as it takes: unpacked
// if it is compressed, and as UTF-8.
type Text struct {
	in      io.ReadSeeker
	name    string
	packed  string // "gzip", "zstd"; empty: it is not
	utf16   bool
	bigEnd  bool
	unpacks io.ReadCloser // what the last Open unpacks with
}

// Beginnings of compressed files.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// Packed tells whether a file that begins so is compressed.
func Packed(head []byte) bool {
	return bytes.HasPrefix(head, gzipMagic) || bytes.HasPrefix(head, zstdMagic)
}

// maxWindow bounds what unpacking zstd keeps; it is what zstd --long needs.
const maxWindow = 128 << 20

// New looks at how a file begins, and gives the text that it begins with, size
// bytes at most. name is for errors.
func New(in io.ReadSeeker, name string, size int) (i *Text, head []byte, err error) {
	i = &Text{in: in, name: name}
	if _, err := i.in.Seek(0, io.SeekStart); err != nil {
		return nil, nil, fmt.Errorf("read %s from its beginning: %w", name, err)
	}
	raw, err := Head(in, len(zstdMagic))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	switch {
	case bytes.HasPrefix(raw, gzipMagic):
		i.packed = "gzip"
	case bytes.HasPrefix(raw, zstdMagic):
		i.packed = "zstd"
	}
	for {
		text, err := i.Open()
		if err != nil {
			return nil, nil, err
		}
		head, err := Head(text, size)
		i.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		if i.utf16 {
			return i, head, nil
		}
		if i.utf16, i.bigEnd = UTF16(head); !i.utf16 {
			return i, head, nil
		}
	}
}

// Head reads the first bytes, size at most.
func Head(in io.Reader, size int) ([]byte, error) {
	head := make([]byte, size)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// UTF16 tells UTF-16 by its mark, or by the zeros that characters of ASCII
// have in it: every second byte.
func UTF16(head []byte) (is, bigEndian bool) {
	if len(head) < 2 {
		return false, false
	}
	switch {
	case head[0] == 0xff && head[1] == 0xfe:
		return len(head) < 4 || head[2] != 0 || head[3] != 0, false // else it is the mark of UTF-32
	case head[0] == 0xfe && head[1] == 0xff:
		return true, true
	case len(head) < 4:
		return false, false
	}
	little := head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0
	big := head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0
	return little || big, big
}

// Open gives the text from its beginning. Close must follow.
func (i *Text) Open() (io.Reader, error) {
	if _, err := i.in.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read %s from its beginning: %w", i.name, err)
	}
	text := io.Reader(i.in)
	var err error
	switch i.packed {
	case "gzip":
		i.unpacks, err = gzip.NewReader(text)
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(text, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			i.unpacks = d.IOReadCloser()
		}
	}
	if err != nil {
		return nil, i.damaged(err)
	}
	if i.unpacks != nil {
		text = i
	}
	if i.utf16 {
		order := unicode.LittleEndian
		if i.bigEnd {
			order = unicode.BigEndian
		}
		text = unicode.UTF16(order, unicode.UseBOM).NewDecoder().Reader(text)
	}
	return text, nil
}

// Read reads what is unpacked.
func (i *Text) Read(b []byte) (int, error) {
	n, err := i.unpacks.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = i.damaged(err)
	}
	return n, err
}

func (i *Text) damaged(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the %s file ends early: it was cut short", i.packed)
	}
	return fmt.Errorf("the %s file cannot be unpacked: %w", i.packed, err)
}

// Close ends what Open began.
func (i *Text) Close() {
	if i.unpacks != nil {
		_ = i.unpacks.Close() // it was read
		i.unpacks = nil
	}
}

// Keep keeps what a pipe or a terminal gives in a file that can be read twice, and
// that has no name, so that it is gone when it is closed, or with the process.
// accept sees how it begins, size bytes at most; with its error the rest is not
// awaited.
func Keep(ctx context.Context, from *os.File, name string, size int, accept func(head []byte) error) (*os.File, error) {
	file, err := os.CreateTemp("", "aftershock-*")
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", name, err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("keep %s: %w", name, err), file.Close())
	}
	done := make(chan error, 1)
	go func() { done <- keep(file, from, name, size, accept) }() // it cannot be woken while it waits for a terminal
	select {
	case err = <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func keep(file io.Writer, from io.Reader, name string, size int, accept func(head []byte) error) error {
	head, err := Head(from, size)
	if err == nil {
		if err := accept(head); err != nil {
			return err
		}
		_, err = io.Copy(file, io.MultiReader(bytes.NewReader(head), from))
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}
