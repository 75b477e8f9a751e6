package judge

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// TestForeignForms: histories as other tools and their users write them. Those
// without a read are judged too, though unknown: nobody looked.
func TestForeignForms(t *testing.T) {
	runCases(t, []foreignCase{
		{"reads without nil", `{:process 0, :type :invoke, :f :txn, :value [[:r :x] [:append :y 1]]}
{:process 0, :type :ok, :f :txn, :value [[:r :x []] [:append :y 1]]}
{:process 1, :type :invoke, :f :txn, :value [[:r :y]]}
{:process 1, :type :ok, :f :txn, :value [[:r :y]]}`, 1, "append.strict_serializable", Options{}},
		{"a first read without nil", `{:index 0, :type :invoke, :process 0, :value [[:r :x]]}
{:index 1, :type :ok, :process 0, :value [[:r :x nil]]}`, 0, "", Options{}},
		{"no process", `{:index 0, :type :invoke, :value [[:append :x 1]]}
{:index 1, :type :ok, :value [[:append :x 1]]}`, 2, "", Options{}},
		{"no process, and a contradiction", `{:type :invoke, :f :txn, :value [[:append :x 1]]}
{:type :ok, :f :txn, :value [[:append :x 1]]}
{:type :invoke, :f :txn, :value [[:r :x nil]]}
{:type :ok, :f :txn, :value [[:r :x []]]}`, 1, "realtime", Options{}},
		{"no process, several at once", `{:type :invoke, :f :txn, :value [[:append :x 1]]}
{:type :invoke, :f :txn, :value [[:r :x nil]]}
{:type :ok, :f :txn, :value [[:append :x 1]]}
{:type :ok, :f :txn, :value [[:r :x [1]]]}`, 0, "", Options{}},
		{"no process, nobody knows which", `{:type :invoke, :f :read, :value nil}
{:type :invoke, :f :write, :value 1}
{:type :ok, :f :write, :value 1}
{:type :invoke, :f :read, :value nil}
{:type :ok, :f :read, :value nil}
{:type :ok, :f :read, :value 1}`, 2, "so when some of the operations began that ran at one time is not known", Options{}},
		{"no process, in any case wrong", `{:type :invoke, :f :read, :value nil}
{:type :invoke, :f :read, :value nil}
{:type :ok, :f :read, :value 7}
{:type :ok, :f :read, :value nil}
{:type :invoke, :f :write, :value 1}`, 1, "phantom", Options{}},
		{"a process that is nil", `{:process nil, :type :invoke, :f :write, :value 1}
{:process nil, :type :ok, :f :write, :value 1}`, 2, "", Options{}},
		{"completions alone", `{:type :ok, :value [[:append :x 1]]}
{:type :ok, :value [[:r :x [1]]]}`, 0, "append.strict_serializable: it has completions without invocations", Options{}},
		{"completions alone, in any case wrong", `{:type :ok, :value [[:append :x 1] [:append :y 1]]}
{:type :ok, :value [[:r :x [1]] [:r :y []]]}`, 1, "G-single", Options{}},
		{"completions alone, strict", `{:type :ok, :value [[:append :x 1]]}
{:type :ok, :value [[:r :x [1]]]}`, 2, "when operations began is not known", Options{Claims: []string{"append.strict_serializable"}}},
		{"completions alone, of registers", `{:process 0, :type :ok, :f :write, :value 1}`, refused, "h:1: process 0 completes :write (:ok), which it has not invoked", Options{}},
		{"tuples", "[0 :invoke :write 1]\n[0 :ok :write 1]\n[1 :invoke :read nil]\n[1 :ok :read 1]", 0, "", Options{}},
		{"tuples that contradict", "[0 :invoke :write 1]\n[0 :ok :write 1]\n[:b :invoke :read nil]\n[:b :ok :read 2]", 1, "by process :b", Options{}},
		{"a vector of tuples", "[[0 :invoke :write 1] [0 :ok :write 1]\n [1 :invoke :read nil] [1 :ok :read nil]]", 1, "", Options{}},
		{"a list of tuples with commas", "([0, :invoke, :write, 1], [0, :ok, :write, 1])", 2, "", Options{}},
		{"tuples without values", "[0 :invoke :read]\n[0 :ok :read nil]\n[0 :invoke :write 1]", 0, "", Options{}},
		{"tuples in JSON", "[0, \"invoke\", \"write\", 1]\n[0, \"ok\", \"write\", 1]\n[1, \"invoke\", \"read\", null]\n[1, \"ok\", \"read\", null]", 1, "", Options{}},
		{"an array of tuples in JSON", `[["a", "invoke", "write", 1], ["a", "ok", "write", 1]]`, 2, "", Options{}},
		{"a tuple that is none", "[0 :invoke :write 1]\n[0 :maybe :write 1]", refused, "h:2: expected an operation", Options{}},
		{"a crash of nothing", `{:process 0, :type :info, :f :crash, :value nil}
{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}`, 2, "1 crash without an invocation passed over", Options{}},
		{"a crash of a write", `{:process 0, :type :info, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}`, 0, "", Options{}},
		{"two crashes", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :info, :f :write, :value 1}
{:process 0, :type :info, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}`, 0, "", Options{}},
		{"an empty set is nil", `{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value nil}
{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :add, :value 1}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value #{1}}`, 0, "set.lost = 0", Options{}},
		{"a set lost by nil", `{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :add, :value 1}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value nil}`, 1, "lost-element", Options{Model: "set"}},
		{"a set that nobody read", `{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :add, :value 1}`, 2, "no answered read began after the last acknowledged addition had ended", Options{Model: "set"}},
		{"a set read too early", `{:process 0, :type :invoke, :f :add, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :add, :value 1}
{:process 1, :type :ok, :f :read, :value [1]}`, 2, "read once more at the end", Options{}},
		{"a set of nil", `{:process 0, :type :invoke, :f :add, :value nil}
{:process 0, :type :ok, :f :add, :value nil}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value []}`, 1, "nil", Options{Model: "set"}},
		{"a set by nodes", `{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :add, :value 1, :node "n1"}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value [1], :node "n1"}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value [], :node "n2"}`, 1, "set.diverged = 1", Options{Claims: []string{"set.diverged == 0"}}},
		{"records and tags", `#jepsen.history.Op{:index 0, :time 10, :type :invoke, :process 0, :f :write, :value 1}
#jepsen.history.Op{:index 1, :time 20, :type :ok, :process 0, :f :write, :value 1}`, 2, "", Options{}},
		{"knossos' records", `[#knossos.op.Op{:process 0, :type :invoke, :f :write, :value 1}
#knossos.op.Op{:process 0, :type :ok, :f :write, :value 1}]`, 2, "", Options{}},
		{"discarded and described", `;; from the lab
#_{:process 9, :type :ok, :f :write, :value 9}
^{:line 3} {:process 0, :type :invoke, :f :write, :value 1 #_:rest}
{:process 0, :type :ok, :f :write, :value 1, :error [:timeout "x"], :debug {:a #{1}}}`, 2, "", Options{}},
		{"pretty printed", "{:type :invoke,\n :process 0,\n :f :write,\n :value\n 1}\n{:type :ok,\n :process 0,\n :f :write,\n :value 1}", 2, "", Options{}},
		{"clock nemesis with tags and errors", `{:type :info, :f :start-partition, :value [:isolated {"n1" #{"n2"}}], :process :nemesis, :time 1}
{:type :info, :f :start-partition, :value nil, :process :nemesis, :time 2, :op-fs #{:start}}
{:type :invoke, :f :write, :value 1, :process 0, :time 3}
{:type :info, :f :write, :value 1, :process 0, :time 4, :error [:conn-refused #inst "2020-01-01T00:00:00Z"]}`, 2, "", Options{}},
		{"a counter", `{:process 0, :type :invoke, :f :add, :value 2}
{:process 0, :type :ok, :f :add, :value 2}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value 1}`, 1, "counter.out_of_bounds = 1", Options{}},
		{"unique ids of strings", `{:process 0, :type :invoke, :f :generate, :value nil}
{:process 0, :type :ok, :f :generate, :value "x"}
{:process 1, :type :invoke, :f :generate, :value nil}
{:process 1, :type :ok, :f :generate, :value "x"}`, 1, `the number "x" was given out`, Options{}},
		{"nil is given out", `{:process 0, :type :invoke, :f :generate, :value nil}
{:process 0, :type :ok, :f :generate, :value nil}
{:process 1, :type :invoke, :f :generate, :value nil}
{:process 1, :type :ok, :f :generate, :value nil}`, 1, "the number nil was given out", Options{}},
		{"bank", `{:process 0, :type :invoke, :f :transfer, :value {:from 0, :to 1, :amount 5}}`, refused, "h:1: bank histories (transfer) are not supported", Options{}},
		{"registers in transactions", `{:process 0, :type :invoke, :f :txn, :value [[:w 1 2]]}`, refused, "h:1: process 0 writes a register in a transaction (:w)", Options{}},
		{"locks", `{:process 0, :type :invoke, :f :acquire, :value nil}`, refused, "h:1: locks are not supported", Options{}},
		{"results in place of a history", "{:valid? true, :count 5}", refused, "h:1: the operation has no :type", Options{}},
		{"a history within an object", `{"history": [{"process":0}]}`, refused, "h:1: the operation has no :type", Options{}},
		{"a truncated line", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :wri`, refused, "the file ends within an operation that begins at line 2", Options{}},
	})
}

// TestForeignNonsense: what is no history is told from one, with what it is.
func TestForeignNonsense(t *testing.T) {
	runCases2 := func(name, text, says string) {
		t.Run(name, func(t *testing.T) {
			exit, said := outcome(t, "h", text, Options{})
			if exit != refused || !strings.Contains(said, says) || strings.Contains(said, "Arrow message") {
				t.Errorf("exit %d: %s\nwant %s", exit, said, says)
			}
			if strings.ContainsFunc(said, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q would act upon a terminal", said)
			}
		})
	}
	history := "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n"
	for name, c := range map[string][2]string{
		"empty":       {"", "h: the file is empty"},
		"blank":       {"\n \n; x\n", "h: the file holds nothing but white space and comments"},
		"a log line":  {"INFO [2020-01-01] jepsen.core - Everything looks good\n" + history, "h:1: expected operations such as"},
		"and where":   {"INFO [2020-01-01] jepsen.core - Everything looks good\n" + history, `found "INFO [2020-01-01] jepsen.core - Everyt…; what looks like operations begins at line 2`},
		"two lines":   {"hello\nworld\n[0 :invoke :write 1]\n", "begins at line 3"},
		"XML":         {"<?xml version=\"1.0\"?>\n<a/>", "h:1: expected operations such as {:process 0, :type :invoke, :f :read, :value nil} (EDN), the same as JSON, [0 :invoke :read nil] (Knossos) or `0 :invoke :read nil` (text), found XML"},
		"HTML":        {"\n<!DOCTYPE html><html>", "h:2: expected"},
		"a page":      {"<html>", "found an HTML page"},
		"PDF":         {"%PDF-1.7\n\x00", "found a PDF document"},
		"a program":   {"\x7fELF\x02\x01\x01\x00", "found a program"},
		"zip":         {"PK\x03\x04\x00\x00", "a zip archive: unpack it first"},
		"xz":          {"\xfd7zXZ\x00\x00", "compressed with xz: unpack it first"},
		"binary":      {"\x01\x02\x00\x03\x04", "found binary data that begins with 01 02 00 03 04"},
		"Latin-1":     {"caf\xe9 est ouvert", "found binary data"},
		"YAML":        {"name: x\nworkloads: []\n", `found "name: x"`},
		"a terminal":  {"\x1b[31mred\x1b[0m\n", "found"},
		"a number":    {"42\n", `found "42"`},
		"numbers":     {"[1, 2]\n", `found "[1, 2]"`},
		"JSON string": {"\"abc\"", "found"},
		"Arrow file":  {"ARROW1\x00\x00", "an Arrow file, which is not the stream that a run records"},
		"UTF-32":      {"\xff\xfe\x00\x00{\x00\x00\x00", "text in UTF-32"},
		"shell":       {"#!/bin/sh\necho\n", `h:2: expected`},
	} {
		runCases2(name, c[0], c[1])
	}
}

func packGzip(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packZstd(t *testing.T, text []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(text, nil)
}

func encode(t *testing.T, e encoding.Encoding, text string) []byte {
	b, err := e.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestForeignEncodings: a history may be compressed, and in UTF-16.
func TestForeignEncodings(t *testing.T) {
	text := strings.Repeat("{:process 0, :type :invoke, :f :write, :value \"é\"}\n{:process 0, :type :ok, :f :write, :value \"é\"}\n", 2000) +
		"{:process 1, :type :invoke, :f :read, :value nil}\n{:process 1, :type :ok, :f :read, :value \"è\"}\n"
	little := encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), text)
	files := map[string][]byte{
		"plain": []byte(text), "gzip": packGzip(t, []byte(text)), "zstd": packZstd(t, []byte(text)),
		"two members": append(packGzip(t, []byte(text[:100])), packGzip(t, []byte(text[100:]))...),
		"two frames":  append(packZstd(t, []byte(text[:100])), packZstd(t, []byte(text[100:]))...),
		"UTF-8 mark":  append([]byte("\xef\xbb\xbf"), text...), "UTF-16 mark": little,
		"UTF-16 big":           encode(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), text),
		"UTF-16 without":       encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), text),
		"UTF-16 big without":   encode(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), text),
		"UTF-16 within a gzip": packGzip(t, little),
	}
	for name, file := range files {
		if exit, says := outcome(t, "h", string(file), Options{}); exit != 1 || !strings.Contains(says, `returned "è"`) {
			t.Errorf("%s: exit %d, %s", name, exit, says)
		}
		path := filepath.Join(t.TempDir(), "h")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if exit, says := fromPipe(t, file); exit != 1 {
			t.Errorf("%s from a pipe: exit %d, %s", name, exit, says)
		}
	}
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"cut gzip":     {files["gzip"][:len(files["gzip"])-9], "the gzip file ends early: it was cut short"},
		"gzip's head":  {files["gzip"][:7], "the gzip file ends early"},
		"cut zstd":     {files["zstd"][:len(files["zstd"])-9], "the zstd file ends early: it was cut short"},
		"broken gzip":  {append([]byte{0x1f, 0x8b, 8, 0}, bytes.Repeat([]byte{0xff}, 100)...), "the gzip file cannot be unpacked"},
		"broken zstd":  {append([]byte{0x28, 0xb5, 0x2f, 0xfd}, bytes.Repeat([]byte{0xff}, 100)...), "the zstd file cannot be unpacked"},
		"blanks":       {packGzip(t, append([]byte(text), bytes.Repeat([]byte(" "), 70<<20)...)), "an operation is longer than 64 MiB"},
		"zeros":        {packGzip(t, make([]byte, 20<<20)), "found binary data"},
		"zeros (zstd)": {packZstd(t, make([]byte, 20<<20)), "found binary data"},
		"ours":         {packGzip(t, []byte("\xff\xff\xff\xff\x10\x00")), "unpack it first"},
		"empty":        {packGzip(t, nil), "the file is empty"},
	} {
		if exit, says := outcome(t, "h", string(c.file), Options{}); exit != refused || !strings.Contains(says, c.says) {
			t.Errorf("%s: exit %d, %s", name, exit, says)
		}
	}
}

// fromPipe checks a text as the standard input.
func fromPipe(t *testing.T, text []byte) (int, string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = stdin; r.Close() }()
	go func() {
		_, _ = w.Write(text)
		w.Close()
	}()
	result, err := Check(t.Context(), "-", Options{})
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
	if err != nil {
		return refused, err.Error()
	}
	if result.Verdict.Plan.Name != "standard input" {
		t.Errorf("it is called %s", result.Verdict.Plan.Name)
	}
	return result.Verdict.ExitCode(), said(result.Verdict)
}

func TestForeignStandardInput(t *testing.T) {
	if exit, says := fromPipe(t, nil); exit != refused || !strings.Contains(says, "standard input: the file is empty") {
		t.Errorf("exit %d, %s", exit, says)
	}
	if exit, says := fromPipe(t, []byte("<html>")); exit != refused || !strings.Contains(says, "standard input:1: expected") {
		t.Errorf("exit %d, %s", exit, says)
	}
	if exit, says := fromPipe(t, []byte("\xff\xff\xff\xff\x10\x00")); exit != refused || !strings.Contains(says, "read from its own file only") {
		t.Errorf("exit %d, %s", exit, says)
	}
}

// TestForeignTooLarge: a history that does not fit is refused, and not tried.
func TestForeignTooLarge(t *testing.T) {
	text := strings.Repeat("[0 :invoke :write 1]\n[0 :ok :write 1]\n", 10_000)
	exit, says := outcome(t, "h", text, Options{Memory: 100_000})
	if exit != refused || !strings.Contains(says, "fill the memory that there is: say with --memory") {
		t.Errorf("exit %d, %s", exit, says)
	}
	if exit, says := outcome(t, "h", text, Options{Memory: 1 << 30}); exit == refused {
		t.Errorf("exit %d, %s", exit, says)
	}
}
