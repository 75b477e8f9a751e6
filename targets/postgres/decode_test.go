package postgres

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
)

// texts is a text[] in binary.
func texts(values ...[]byte) []byte {
	b := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, textOID}
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	b = append(b, 0, 0, 0, 1)
	for _, v := range values {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
	}
	return b
}

// TestDecodeValuesWithAPayload: reads, sets and scans give the numbers of values
// that are whole, Torn for others and Nil for keys that are not there.
func TestDecodeValuesWithAPayload(t *testing.T) {
	p := payload.New(payload.Spec{Min: 20, Max: 200}, 1)
	seven, eight := p.Append(nil, 7), p.Append(nil, 8)
	mixed := slices.Concat(seven[:10], eight[min(10, len(eight)):])
	read := history.Op{Kind: history.Read}
	for _, c := range []struct {
		text []byte
		want int64
	}{{seven, 7}, {mixed, history.Torn}, {[]byte{}, history.Torn}, {nil, history.Nil}} {
		if err := decode(&read, p, [][]byte{no, c.text}); err != nil || read.Value != c.want {
			t.Errorf("%q is read as %d, %v", c.text, read.Value, err)
		}
	}
	set := history.Op{Kind: history.ReadSet}
	if err := decode(&set, p, [][]byte{no, texts(seven, mixed, eight)}); err != nil || !slices.Equal(set.Elements, []int64{7, history.Torn, 8}) {
		t.Errorf("a set: %v, %v", set.Elements, err)
	}
	scan := history.Op{Kind: history.Scan, Key: 20, Old: 4}
	if err := decode(&scan, p, [][]byte{no, array(20, 23), texts(eight, seven)}); err != nil || !slices.Equal(scan.Elements, []int64{8, history.Nil, history.Nil, 7}) {
		t.Errorf("a scan: %v, %v", scan.Elements, err)
	}
	if err := decode(&scan, nil, [][]byte{no, nil, nil}); err != nil || !slices.Equal(scan.Elements, slices.Repeat([]int64{history.Nil}, 4)) {
		t.Errorf("a scan of nothing: %v, %v", scan.Elements, err)
	}
	for what, row := range map[string][][]byte{"a key beyond": {no, array(24), array(1)}, "a key before": {no, array(19), array(1)},
		"more keys than values": {no, array(20, 21), array(1)}, "no values": {no, array(20), nil}} {
		if err := decode(&scan, nil, row); err == nil {
			t.Errorf("%s: %v", what, scan.Elements)
		}
	}
}
