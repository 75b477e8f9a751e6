package export

import (
	"encoding/json"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history"
)

// begin and finish write what stands around all entries.
func (x *exporter) begin() {
	if x.json {
		x.raw("[")
	}
}

func (x *exporter) finish() {
	if x.json {
		x.raw("\n]\n")
	}
}

// open and close write what stands around one.
func (x *exporter) open() {
	if x.json && x.started {
		x.raw(",")
	}
	if x.json {
		x.raw("\n")
	}
	x.started = true
	x.raw("{")
}

func (x *exporter) close() {
	x.raw("}")
	if !x.json {
		x.raw("\n")
	}
	x.index++
}

// field writes a key; its value follows.
func (x *exporter) field(key string, first bool) {
	if !first {
		x.raw(", ")
	}
	if x.json {
		x.raw(`"` + key + `":`)
		return
	}
	x.raw(":" + key + " ")
}

// comma stands between the items of a list.
func (x *exporter) comma() {
	if x.json {
		x.raw(",")
		return
	}
	x.raw(" ")
}

// raw writes text; the writer keeps its first error until the end.
func (x *exporter) raw(text string) { _, _ = x.out.WriteString(text) }

// word writes a keyword.
func (x *exporter) word(text string) {
	if x.json {
		x.raw(`"` + text + `"`)
		return
	}
	x.raw(":" + text)
}

// int writes a number, or nil for history.Nil.
func (x *exporter) int(n int64) { x.known(n, n != history.Nil) }

func (x *exporter) known(n int64, known bool) {
	switch {
	case known && n != history.Nil:
		x.line = strconv.AppendInt(x.line[:0], n, 10)
		_, _ = x.out.Write(x.line)
	case x.json:
		x.raw("null")
	default:
		x.raw("nil")
	}
}

// str writes a string; JSON's form of one is also EDN's.
func (x *exporter) str(text string) {
	quoted, _ := json.Marshal(text) // a string has a form
	_, _ = x.out.Write(quoted)
}

func (x *exporter) list(all []int64) {
	x.raw("[")
	for i, v := range all {
		if i > 0 {
			x.comma()
		}
		x.int(v)
	}
	x.raw("]")
}
