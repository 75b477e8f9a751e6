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
	typeList = 12
)

// decodeMeta reads the stream's first message: it checks that its schema is
// newSchema's and returns the Meta in it. Its errors do not name the file.
func decodeMeta(f *frame) (Meta, error) {
	if f.kind != messageSchema || len(f.body) != 0 {
		return Meta{}, errors.New("it does not begin with an Arrow schema")
	}
	values, same, err := parseSchema(&f.header)
	if err != nil {
		return Meta{}, err
	}
	version, ok := values[metaVersion]
	switch {
	case !ok:
		return Meta{}, errors.New("this Arrow stream has no " + metaVersion + " in its metadata")
	case version != formatVersion:
		return Meta{}, fmt.Errorf("its format is version %q, this program reads version %q: use the aftershock that recorded it",
			version, formatVersion)
	case !same:
		return Meta{}, errors.New("its columns are not those of format version " + formatVersion +
			", another program has rewritten it: use the original")
	}
	var meta Meta
	if err := json.Unmarshal([]byte(values[metaRun]), &meta); err != nil {
		return Meta{}, fmt.Errorf("its %s is damaged: %w", metaRun, err)
	}
	return meta, nil
}

// parseSchema reads the Schema table: its metadata, and whether its fields are
// ours.
func parseSchema(schema *flatbuffers.Table) (values map[string]string, same bool, err error) {
	defer recoverBounds(&err)
	entries, err := tables(schema, 8)
	if err != nil {
		return nil, false, err
	}
	values = map[string]string{}
	for i := range entries {
		values[text(&entries[i], 4)] = text(&entries[i], 6)
	}
	found, err := tables(schema, 6)
	if err != nil {
		return nil, false, err
	}
	same = len(found) == columns && schema.GetInt16Slot(4, 0) == 0 // little endian
	for i := 0; same && i < columns; i++ {
		same = isField(&found[i], &fields[i])
	}
	return values, same, nil
}

// isField compares a Field table with a field of ours.
func isField(table *flatbuffers.Table, want *arrow.Field) bool {
	if text(table, 4) != want.Name || table.GetBoolSlot(6, false) != want.Nullable || table.Offset(12) != 0 {
		return false // another name or nullability, or a dictionary
	}
	children, err := tables(table, 14)
	if err != nil {
		return false
	}
	kind := table.GetByteSlot(8, 0)
	switch t := want.Type.(type) {
	case *arrow.ListType:
		element := t.ElemField()
		return kind == typeList && len(children) == 1 && isField(&children[0], &element)
	case arrow.FixedWidthDataType:
		at := table.Offset(10)
		if kind != typeInt || at == 0 || len(children) != 0 {
			return false
		}
		integer := flatbuffers.Table{Bytes: table.Bytes, Pos: table.Indirect(table.Pos + flatbuffers.UOffsetT(at))}
		return int(integer.GetInt32Slot(4, 0)) == t.BitWidth() && integer.GetBoolSlot(6, false) == arrow.IsSignedInteger(t.ID())
	}
	return false
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
