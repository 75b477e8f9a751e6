package history

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// FileName is the history's name in a run directory.
const FileName = "history.arrows"

// EventsFileName is the events' name in a run directory.
const EventsFileName = "events.jsonl"

// A history on disk is one Apache Arrow IPC stream, its buffers compressed with
// zstd. pandas (pyarrow.ipc.open_stream) and Polars (read_ipc_stream) open it as
// it is; docs/history.md has its columns and queries.
//
// One row is one Op. An operation's times are start_ns, took_ns (end − start)
// and late_ns (start − intended): the two differences are small numbers, which
// a general compressor stores in less than half of what absolute times cost,
// and `end` would be a reserved word in SQL. Latency without coordinated
// omission is late_ns + took_ns. Rows of one batch are sorted by start.
//
// What is a word is a dictionary of words, which precede the first batch; its
// indices are signed, as pandas takes no others. Nil is null, as is what there
// is none of: a node, an error, Elements. Flags are a column each.
//
// The stream's end marker, eight bytes, is written only after the last
// operation of every worker: a stream without it is torn.
//
// Version 1, which is still read (first.go), had numbers for words and flags,
// and no nulls but in elements.
const formatVersion = "2"

// Keys of the schema's metadata.
const (
	metaVersion = "aftershock.version"
	metaRun     = "aftershock.meta" // Meta as JSON
)

// Keys of a column's metadata.
const (
	metaUnit    = "unit"
	metaMeaning = "meaning"
)

// Bounds of the format. The writer keeps to them; the reader refuses what does
// not, so that a damaged or hostile file cannot ask for more memory.
const (
	maxBatchOps      = 1 << 16   // rows of a batch
	maxBatchElements = 1 << 24   // Elements of all rows of a batch
	maxMetadataBytes = 1 << 20   // of one message
	maxBodyBytes     = 192 << 20 // of one message
	maxWords         = 1 << 10   // of a dictionary
	maxWordBytes     = 1 << 20   // of all words of a dictionary
	elementBytes     = 8         // of one of Elements
	maxPadding       = 64        // Arrow pads buffers to at most this
	maxWindowBytes   = 32 << 20  // zstd window; the writer's is 8 MiB
	maxBufferBytes   = 8*maxBatchElements + maxPadding
)

// ErrFormat is wrapped by the errors of reading a file that is not a history of
// this format, or that is damaged elsewhere than at its end.
var ErrFormat = errors.New("not a readable history")

// The columns, in the order of the schema. columnElements must be the last.
const (
	columnStart = iota
	columnTook
	columnLate
	columnWorkload
	columnWorker
	columnProcess
	columnNode
	columnKind
	columnKey
	columnValue
	columnOld
	columnObserved
	columnOutcome
	columnError
	columnFinalRead // the flags, in the order of their bits
	columnWarmup
	columnFromPrimary
	columnSeen
	columnPart
	columnElements
	columns
)

// allFlags are the flags that have a column.
const allFlags = 1<<(columnElements-columnFinalRead) - 1

// wordType is the type of a column of words.
func wordType(index arrow.DataType) arrow.DataType {
	return &arrow.DictionaryType{IndexType: index, ValueType: arrow.BinaryTypes.String}
}

// newField is a column that has a value in every row.
func newField(name string, t arrow.DataType, unit, meaning string) arrow.Field {
	keys, values := []string{metaMeaning}, []string{meaning}
	if unit != "" {
		keys, values = append(keys, metaUnit), append(values, unit)
	}
	return arrow.Field{Name: name, Type: t, Metadata: arrow.NewMetadata(keys, values)}
}

// newNullable is a column that need not have one.
func newNullable(name string, t arrow.DataType, meaning string) arrow.Field {
	f := newField(name, t, "", meaning)
	f.Nullable = true
	return f
}

var (
	int8Type, int16Type, int64Type    = arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int64
	uint8Type, uint16Type, uint32Type = arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32
	boolType                          = arrow.FixedWidthTypes.Boolean
)

var fields = []arrow.Field{
	columnStart:       newField("start_ns", int64Type, "ns", "when the call began, on the run's clock"),
	columnTook:        newField("took_ns", int64Type, "ns", "from the begin of the call to its end"),
	columnLate:        newField("late_ns", int64Type, "ns", "how long after its intended time it began; late_ns + took_ns is the latency without coordinated omission"),
	columnWorkload:    newField("workload", wordType(int16Type), "", "the workload, by its name in the plan"),
	columnWorker:      newField("worker", uint16Type, "", "the worker of the workload"),
	columnProcess:     newField("process", uint32Type, "", "the logical process, a new one after every unknown outcome"),
	columnNode:        newNullable("node", wordType(int8Type), "the node that was addressed; null: none was reached"),
	columnKind:        newField("kind", wordType(int8Type), "", "what the operation does: read, write, cas, …"),
	columnKey:         newField("key", uint32Type, "", "the key, set, queue or account that it acts on"),
	columnValue:       newNullable("value", int64Type, "what was written, read or added, a number that is unique in the run; null: nothing, as a key that was never written has; -9223372036854775807: torn, not as anybody wrote it"),
	columnOld:         newNullable("old", int64Type, "cas: the expected value; null: nothing"),
	columnObserved:    newNullable("observed", int64Type, "cas that failed with seen: the value that was there; null: nothing"),
	columnOutcome:     newField("outcome", wordType(int8Type), "", "ok: acknowledged; fail: it certainly had no effect; unknown: it may have one, now or later"),
	columnError:       newNullable("error", wordType(int8Type), "the class of the error; null: none"),
	columnFinalRead:   newField("final_read", boolType, "", "a read after all faults were healed; lost writes are judged by these"),
	columnWarmup:      newField("warmup", boolType, "", "before measuring began"),
	columnFromPrimary: newField("from_primary", boolType, "", "addressed to the node that the client took for the primary"),
	columnSeen:        newField("seen", boolType, "", "a failed cas that told the value that was there"),
	columnPart:        newField("part", boolType, "", "a read that is part of a scan, no operation of its own"),
	columnElements:    newNullable("elements", arrow.ListOfNonNullable(int64Type), "what a set, a drain, a transaction or a scan of accounts returned; null: it is none of these"),
}

// newSchema is the schema of a run's history. It makes meta what who reads the
// schema will see of it.
func newSchema(meta *Meta) (*arrow.Schema, error) {
	run, err := json.Marshal(meta)
	if err == nil {
		*meta = Meta{}
		err = json.Unmarshal(run, meta)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the history's metadata: %w", err)
	}
	metadata := arrow.NewMetadata([]string{metaVersion, metaRun}, []string{formatVersion, string(run)})
	return arrow.NewSchema(fields, &metadata), nil
}

// wordsOf are the words of a column's dictionary, by our numbers; nil if the
// column has none.
func wordsOf(column int, meta *Meta) []string {
	switch column {
	case columnWorkload:
		names := make([]string, len(meta.Workloads))
		for i := range meta.Workloads {
			names[i] = meta.Workloads[i].Name
		}
		return names
	case columnNode:
		return meta.Nodes
	case columnKind:
		return kindNames[:]
	case columnOutcome:
		return outcomeNames[:]
	case columnError:
		return errorNames[1:] // no error is null
	}
	return nil
}
