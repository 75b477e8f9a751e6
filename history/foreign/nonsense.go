package foreign

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// expected is what a history may be.
const expected = "operations such as {:process 0, :type :invoke, :f :read, :value nil} (EDN), the same as JSON, " +
	"[0 :invoke :read nil] (Knossos) or `0 :invoke :read nil` (text)"

// kinds are files that are no histories, by how they begin.
var kinds = []struct{ begins, what string }{
	{"%PDF", "a PDF document"}, {"PK\x03\x04", "a zip archive: unpack it first"}, {"\x89PNG", "a picture"}, {"\xff\xd8\xff", "a picture"}, {"GIF8", "a picture"},
	{"\x7fELF", "a program"}, {"\xfd7zXZ\x00", "a file compressed with xz: unpack it first (xz -dc FILE | aftershock check -)"},
	{"BZh", "a file compressed with bzip2: unpack it first (bzip2 -dc FILE | aftershock check -)"},
	{"\x04\x22\x4d\x18", "a file compressed with lz4: unpack it first (lz4 -dc FILE | aftershock check -)"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"}, {"SQLite format 3", "an SQLite database"}, {"PAR1", "a Parquet file"},
	{"ARROW1", "an Arrow file, which is not the stream that a run records"}, {"\xff\xfe\x00\x00", "text in UTF-32: convert it to UTF-8"},
	{"\x00\x00\xfe\xff", "text in UTF-32: convert it to UTF-8"}, {"JEPSEN", "a test.jepsen: Jepsen's store has the history beside it, as history.edn or history.txt"},
	{"\xff\xff\xff\xff", "a run's history.arrows within another file: unpack it first"},
	{"<!DOCTYPE html", "an HTML page"}, {"<!doctype html", "an HTML page"}, {"<html", "an HTML page"}, {"<HTML", "an HTML page"}, {"<", "XML"},
}

// notAHistory says what a file is that begins so, and what was expected.
func notAHistory(head []byte, name string) error {
	fail := func(line int, found string) error {
		return errorAt(name, line, "expected %s, found %s", expected, found)
	}
	text := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if len(head) == 0 {
		return fmt.Errorf("%s: the file is empty: expected %s", name, expected)
	}
	begins := bytes.TrimLeft(text, " \t\r\n")
	for _, k := range kinds {
		if bytes.HasPrefix(begins, []byte(k.begins)) {
			return fail(1+bytes.Count(text[:len(text)-len(begins)], []byte("\n")), k.what)
		}
	}
	if isTar(head) {
		return fail(1, "a tar archive: unpack it first")
	}
	if bytes.IndexByte(head, 0) >= 0 || !utf8.Valid(head[:validEnd(head)]) {
		return fail(1, fmt.Sprintf("binary data that begins with % x", head[:min(len(head), 8)]))
	}
	rest := skipBlank(text)
	if len(rest) == 0 {
		return fmt.Errorf("%s: the file holds nothing but white space and comments: expected %s", name, expected)
	}
	at := 1 + bytes.Count(text[:len(text)-len(rest)], []byte("\n"))
	line, more, _ := bytes.Cut(rest, []byte("\n"))
	err := fail(at, (&value{shape: str, text: printable(line)}).describe())
	for n := at + 1; len(more) > 0; n++ {
		if f := Recognise(more); f != Unrecognised && f != Text || f == Text && beginsText(more) {
			return fmt.Errorf("%w; what looks like operations begins at line %d: take out what stands before", err, n)
		}
		if _, more, _ = bytes.Cut(more, []byte("\n")); n > at+mostStray {
			break
		}
	}
	return err
}

// mostStray is how many lines are looked at for the beginning of a history.
const mostStray = 200

func beginsText(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	_, ok := splitLine(line)
	return ok
}

func isTar(head []byte) bool {
	return len(head) > 262 && string(head[257:262]) == "ustar"
}

// validEnd leaves out a character that the end of the head may have cut.
func validEnd(head []byte) int {
	end := len(head)
	for end > 0 && len(head)-end < utf8.UTFMax && !utf8.RuneStart(head[end-1]) {
		end--
	}
	if end > 0 && !utf8.FullRune(head[end-1:]) {
		return end - 1
	}
	return len(head)
}

// printable is the beginning of a line without what a terminal would act upon.
func printable(line []byte) []byte {
	line = bytes.TrimRight(line, "\r")
	line = line[:min(len(line), 200)]
	return bytes.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' {
			return r
		}
		return '�'
	}, line)
}
