package history

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	flatbuffers "github.com/google/flatbuffers/go"
)

// maxSchemaEntries bounds the vectors of a schema.
const maxSchemaEntries = 256

// Types of Arrow's Schema.fbs.
const (
	typeInt  = 2
	typeUtf8 = 5
	typeBool = 6
	typeList = 12
)

// layout is how a version of the format has operations in columns, of which
// columnElements' is the last.
type layout struct {
	fields []arrow.Field
	// fill sets one column's field of every operation of a decoder; valid is nil
	// if every row has a value.
	fill func(d *decoder, column int, raw, valid []byte) error
}

var layouts = map[string]*layout{"1": &first, formatVersion: {fields: fields, fill: (*decoder).fill}}

// elements is the last column.
func (l *layout) elements() int { return len(l.fields) - 1 }

func (l *layout) hasWords(column int) bool { return l.fields[column].Type.ID() == arrow.DICTIONARY }

// description is what a stream's schema says.
type description struct {
	meta   Meta
	layout *layout
	ids    []int64 // of the columns' dictionaries
}

// describe reads the stream's first message: it checks that its schema is that
// of a version of the format. Its errors do not name the file.
func describe(f *frame) (description, error) {
	if f.kind != messageSchema || len(f.body) != 0 {
		return description{}, errors.New("it does not begin with an Arrow schema")
	}
	values, found, err := parseSchema(&f.header)
	if err != nil {
		return description{}, err
	}
	version, ok := values[metaVersion]
	d := description{layout: layouts[version]}
	switch {
	case !ok:
		return d, errors.New("this Arrow stream has no " + metaVersion + " in its metadata")
	case d.layout == nil:
		return d, fmt.Errorf("its format is version %.40q, this program reads versions 1 to %s: use the aftershock that recorded it, or a newer one",
			version, formatVersion)
	}
	if d.ids = d.layout.matches(found); d.ids == nil {
		return d, errors.New("its columns are not those of format version " + version +
			", another program has rewritten it: use the original")
	}
	if err := json.Unmarshal([]byte(values[metaRun]), &d.meta); err != nil {
		return d, fmt.Errorf("its %s is damaged: %w", metaRun, err)
	}
	return d, nil
}

// parseSchema reads the Schema table: its metadata and its fields, which are
// none if their numbers have another order of bytes.
func parseSchema(schema *flatbuffers.Table) (values map[string]string, found []flatbuffers.Table, err error) {
	defer recoverBounds(&err)
	entries, err := tables(schema, 8)
	if err != nil {
		return nil, nil, err
	}
	values = map[string]string{}
	for i := range entries {
		values[text(&entries[i], 4)] = text(&entries[i], 6)
	}
	if schema.GetInt16Slot(4, 0) != 0 { // big endian
		return values, nil, nil
	}
	found, err = tables(schema, 6)
	return values, found, err
}

// matches compares Field tables with the fields of the layout, and returns the
// ids of their dictionaries; nil if they are others.
func (l *layout) matches(found []flatbuffers.Table) (ids []int64) {
	defer func() {
		if recover() != nil { // an offset that leads nowhere
			ids = nil
		}
	}()
	if len(found) != len(l.fields) {
		return nil
	}
	ids = make([]int64, len(found))
	for i := range found {
		if !isField(&found[i], &l.fields[i]) {
			return nil
		}
		if l.hasWords(i) {
			encoding := child(&found[i], 12)
			ids[i] = encoding.GetInt64Slot(4, 0)
		}
	}
	return ids
}

// isField compares a Field table with a field of ours.
func isField(table *flatbuffers.Table, want *arrow.Field) bool {
	words, hasWords := want.Type.(*arrow.DictionaryType)
	if text(table, 4) != want.Name || table.GetBoolSlot(6, false) != want.Nullable || table.Offset(12) != 0 != hasWords {
		return false // another name or nullability, or a dictionary
	}
	children, err := tables(table, 14)
	if err != nil {
		return false
	}
	kind := table.GetByteSlot(8, 0)
	switch t := want.Type.(type) {
	case *arrow.DictionaryType:
		encoding := child(table, 12)
		return kind == typeUtf8 && len(children) == 0 && encoding.Offset(6) != 0 && isInteger(child(&encoding, 6), words.IndexType)
	case *arrow.ListType:
		element := t.ElemField()
		return kind == typeList && len(children) == 1 && isField(&children[0], &element)
	case *arrow.BooleanType:
		return kind == typeBool && len(children) == 0
	}
	return kind == typeInt && len(children) == 0 && table.Offset(10) != 0 && isInteger(child(table, 10), want.Type)
}

// isInteger compares an Int table with a type of integers.
func isInteger(integer flatbuffers.Table, want arrow.DataType) bool {
	return int(integer.GetInt32Slot(4, 0)) == want.(arrow.FixedWidthDataType).BitWidth() &&
		integer.GetBoolSlot(6, false) == arrow.IsSignedInteger(want.ID())
}

// child is a slot's table.
func child(t *flatbuffers.Table, slot flatbuffers.VOffsetT) flatbuffers.Table {
	return flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(t.Pos + flatbuffers.UOffsetT(t.Offset(slot)))}
}

// tables returns a slot's vector of tables; an absent one is empty.
func tables(t *flatbuffers.Table, slot flatbuffers.VOffsetT) ([]flatbuffers.Table, error) {
	at := flatbuffers.UOffsetT(t.Offset(slot))
	if at == 0 {
		return nil, nil
	}
	n := t.VectorLen(at)
	if n < 0 || n > maxSchemaEntries {
		return nil, fmt.Errorf("a list of %d entries in its schema is longer than %d", n, maxSchemaEntries)
	}
	all := make([]flatbuffers.Table, n)
	for i := range all {
		all[i] = flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(t.Vector(at) + flatbuffers.UOffsetT(4*i))}
	}
	return all, nil
}

// text returns a slot's string; an absent one is empty.
func text(t *flatbuffers.Table, slot flatbuffers.VOffsetT) string {
	at := flatbuffers.UOffsetT(t.Offset(slot))
	if at == 0 {
		return ""
	}
	return string(t.ByteVector(t.Pos + at))
}
