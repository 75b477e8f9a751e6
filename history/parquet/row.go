package parquet

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// row is one operation. Its columns are those of history.Columns, under their names, of
// their types and in their order: a test compares them.
type row struct {
	Start       int64   `parquet:"start_ns,delta"`
	Took        int64   `parquet:"took_ns"`
	Late        int64   `parquet:"late_ns"`
	Workload    string  `parquet:"workload,dict"`
	Worker      uint16  `parquet:"worker"`
	Process     uint32  `parquet:"process"`
	Node        *string `parquet:"node,optional,dict"`
	Kind        string  `parquet:"kind,dict"`
	Key         uint32  `parquet:"key"`
	Value       *int64  `parquet:"value,optional"`
	Old         *int64  `parquet:"old,optional"`
	Observed    *int64  `parquet:"observed,optional"`
	Outcome     string  `parquet:"outcome,dict"`
	Error       *string `parquet:"error,optional,dict"`
	FinalRead   bool    `parquet:"final_read"`
	Warmup      bool    `parquet:"warmup"`
	FromPrimary bool    `parquet:"from_primary"`
	Seen        bool    `parquet:"seen"`
	Part        bool    `parquet:"part"`
	Elements    []int64 `parquet:"elements,optional,list"`
}

// rowsOf appends a batch of history.Columns. What they point to is the batch's.
func rowsOf(rows []row, batch arrow.RecordBatch) []row {
	numbers := func(column int) []int64 { return batch.Column(column).(*array.Int64).Int64Values() }
	words := func(column int) words { return wordsOf(batch.Column(column).(*array.Dictionary)) }
	flag := func(column int) *array.Boolean { return batch.Column(column).(*array.Boolean) }
	start, took, late := numbers(0), numbers(1), numbers(2)
	workload, node, kind, outcome, failure := words(3), words(6), words(7), words(12), words(13)
	worker := batch.Column(4).(*array.Uint16).Uint16Values()
	process, key := batch.Column(5).(*array.Uint32).Uint32Values(), batch.Column(8).(*array.Uint32).Uint32Values()
	final, warmup, primary, seen, part := flag(14), flag(15), flag(16), flag(17), flag(18)
	lists := batch.Column(19).(*array.List)
	elements := lists.ListValues().(*array.Int64).Int64Values()
	for i := range int(batch.NumRows()) {
		r := row{Start: start[i], Took: took[i], Late: late[i], Workload: *workload.at(i), Worker: worker[i], Process: process[i], Node: node.at(i), Kind: *kind.at(i), Key: key[i],
			Outcome: *outcome.at(i), Error: failure.at(i), FinalRead: final.Value(i), Warmup: warmup.Value(i), FromPrimary: primary.Value(i), Seen: seen.Value(i), Part: part.Value(i)}
		for column, to := range []**int64{&r.Value, &r.Old, &r.Observed} {
			if at := 9 + column; batch.Column(at).IsValid(i) {
				*to = &numbers(at)[i]
			}
		}
		if lists.IsValid(i) {
			begin, end := lists.ValueOffsets(i)
			r.Elements = elements[begin:end:end]
		}
		rows = append(rows, r)
	}
	return rows
}

// words are a column of words.
type words struct {
	column *array.Dictionary
	known  []string
}

func wordsOf(column *array.Dictionary) words {
	all := column.Dictionary().(*array.String)
	w := words{column: column, known: make([]string, all.Len())}
	for i := range w.known {
		w.known[i] = all.Value(i)
	}
	return w
}

// at is a row's word, nil for null.
func (w words) at(i int) *string {
	if w.column.IsNull(i) {
		return nil
	}
	return &w.known[w.column.GetValueIndex(i)]
}
