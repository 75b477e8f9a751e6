package history

import (
	"errors"
	"fmt"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// dictionary are the words of one column, as a file has them.
type dictionary struct {
	words []string
	codes [1 << 8]uint8 // our numbers by the bytes of indices, but for workloads
}

// noCode is the number of what is no word, or none that this program knows. It
// is greater than any index, which is signed.
const noCode = 1<<8 - 1

func newDictionary(words []string) dictionary {
	d := dictionary{words: words}
	for i := range d.codes {
		d.codes[i] = noCode
	}
	return d
}

// dictionary takes the words of the columns whose dictionary this is.
func (d *decoder) dictionary(f *frame) (err error) {
	defer recoverBounds(&err)
	h := &f.header
	switch {
	case h.Offset(6) == 0:
		return errors.New("a dictionary is without words")
	case h.GetBoolSlot(8, false):
		return errors.New("a dictionary is an addition to another, which no history has")
	}
	words, err := d.strings(child(h, 6), f.body)
	if err != nil {
		return fmt.Errorf("a dictionary: %w", err)
	}
	found := false
	for column, id := range d.ids {
		if id == h.GetInt64Slot(4, 0) && d.layout.hasWords(column) {
			found = true
			if d.dicts[column], err = d.known(column, words); err != nil {
				return fmt.Errorf("the dictionary of column %s: %w", d.layout.fields[column].Name, err)
			}
		}
	}
	if !found {
		return errors.New("a dictionary is of no column")
	}
	return nil
}

// strings decodes a batch of one column of words.
func (d *decoder) strings(batch flatbuffers.Table, body []byte) ([]string, error) {
	n := batch.GetInt64Slot(4, 0)
	if n < 0 || n > maxWords {
		return nil, fmt.Errorf("%d words are more than %d", n, maxWords)
	}
	nodes := batch.Offset(6)
	if nodes == 0 || batch.VectorLen(flatbuffers.UOffsetT(nodes)) != 1 {
		return nil, errors.New("it is no list of words")
	}
	if at := batch.Vector(flatbuffers.UOffsetT(nodes)); batch.GetInt64(at) != n || batch.GetInt64(at+8) != 0 {
		return nil, errors.New("it is not of as many words as it says")
	}
	if err := d.place(&batch, body, 3); err != nil {
		return nil, err
	}
	raw, err := d.data(1, 4*int(n+1), &d.scratch)
	if err != nil || n == 0 {
		return nil, err
	}
	ends := make([]int, n+1)
	for i := range ends {
		ends[i] = int(int32(le.Uint32(raw[4*i:])))
	}
	if ends[0] < 0 || !slices.IsSorted(ends) || ends[n] > maxWordBytes {
		return nil, errors.New("its words are not one after the other")
	}
	if raw, err = d.data(2, ends[n], &d.scratch); err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		words[i] = string(raw[ends[i]:ends[i+1]])
	}
	return words, nil
}

// known finds our numbers of a column's words. A kind, outcome or error that
// this program does not know is an error only where an operation has it; nodes
// and workloads have to be those of the description.
func (d *decoder) known(column int, words []string) (dictionary, error) {
	ours := wordsOf(column, &d.meta)
	if column == columnNode || column == columnWorkload {
		if !slices.Equal(words, ours) {
			return dictionary{}, fmt.Errorf("%d words are not the %d of %s", len(words), len(ours), metaRun)
		}
	} else if sorted := slices.Sorted(slices.Values(words)); len(slices.Compact(sorted)) < len(words) {
		return dictionary{}, errors.New("a word is in it twice")
	}
	dict := newDictionary(words)
	for i, word := range words[:min(len(words), 1<<7)] {
		code := slices.Index(ours, word)
		switch {
		case column == columnNode:
			dict.codes[i] = uint8(i) // two may have one name
		case code >= 0:
			dict.codes[i] = uint8(code)
		}
	}
	return dict, nil
}

// without says why an index has no number.
func (c *dictionary) without(index int) error {
	if index < 0 || index >= len(c.words) {
		return fmt.Errorf("word %d of a dictionary of %d", index, len(c.words))
	}
	return fmt.Errorf("the word %.40q, which this program does not know: use the aftershock that recorded it", c.words[index])
}
