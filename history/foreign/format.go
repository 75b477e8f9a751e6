package foreign

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
)

// Format is how a history is written.
type Format uint8

const (
	Unrecognised Format = iota
	EDN                 // Jepsen, Maelstrom, porcupine
	JSON                // elle-cli
	Text                // Jepsen's history.txt and log
)

// formats is the table: what each is called, and how it is read. How a file of
// it begins is known to Recognise.
var formats = [...]struct {
	name string
	open func(in io.Reader, name string) source
}{
	Unrecognised: {"unrecognised", nil},
	EDN:          {"EDN", func(in io.Reader, name string) source { return newEDNReader(in, name) }},
	JSON:         {"JSON", func(in io.Reader, name string) source { return newJSONReader(in, name) }},
	Text:         {"text", func(in io.Reader, name string) source { return newTextReader(bufio.NewReaderSize(in, 1<<16), name) }},
}

func (f Format) String() string { return formats[f].name }

// Tuples of process, type, function and value begin so, perhaps within a vector.
var (
	ednTuple  = regexp.MustCompile(`^(?:[\[(][\s,]*)?[\[(][\s,]*(?:"[^"\n]*"|[^\s,"\[(]+)[\s,]+:(?:invoke|info|ok|fail)[\s,\])]`)
	jsonTuple = regexp.MustCompile(`^(?:\[\s*)?\[\s*(?:"[^"\n]*"|[^\s,"\[]+)\s*,\s*":?(?:invoke|info|ok|fail)"`)
)

// Recognise tells the format by the first bytes of a file; 64 KiB suffice.
func Recognise(head []byte) Format {
	rest := skipBlank(head)
	if len(rest) == 0 || bytes.IndexByte(head, 0) >= 0 {
		return Unrecognised
	}
	switch {
	case ednTuple.Match(rest):
		return EDN
	case jsonTuple.Match(rest):
		return JSON
	}
	if rest[0] == '[' || rest[0] == '(' {
		inner := skipBlank(rest[1:])
		switch {
		case len(inner) == 0, inner[0] == ')':
			return EDN
		case inner[0] == ']':
			return JSON // either; it holds nothing
		case inner[0] == '{' || inner[0] == '#':
			rest = inner
		}
	}
	switch {
	case rest[0] == '#' && len(rest) > 1:
		return ednOrNot(rest)
	case rest[0] == '{':
		inner := skipBlank(rest[1:])
		if len(inner) > 0 && inner[0] == '"' {
			return JSON
		}
		return ednOrNot(rest)
	}
	for line := range bytes.Lines(head) {
		if _, ok := splitLine(line); ok {
			return Text
		}
	}
	return Unrecognised
}

// ednOrNot is EDN if a map with keywords begins, perhaps behind a tag.
func ednOrNot(rest []byte) Format {
	open := bytes.IndexByte(rest, '{')
	if open < 0 {
		return Unrecognised
	}
	inner := skipBlank(rest[open+1:])
	if len(inner) > 0 && (inner[0] == ':' || inner[0] == '}' || inner[0] == '#') {
		return EDN
	}
	return Unrecognised
}

// skipBlank skips a byte order mark, white space, commas and EDN's comments,
// which #! begins, too.
func skipBlank(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	for {
		b = bytes.TrimLeft(b, " \t\r\n,")
		if len(b) == 0 || b[0] != ';' && !bytes.HasPrefix(b, []byte("#!")) {
			return b
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return nil
		}
		b = b[end+1:]
	}
}
