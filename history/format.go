package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// A history on disk is one Apache Arrow IPC stream, its buffers compressed with
// zstd. DuckDB, pandas and Polars open it as it is:
//
//	duckdb:  INSTALL nanoarrow FROM community; LOAD nanoarrow;
//	         SELECT ['read','write','cas','add','readset','mark','poll','enqueue','dequeue','drain','txn',
//	                 'increment','generate','transfer','balances'][kind+1] AS op,
//	                count(*), quantile_cont(late_ns + took_ns, 0.99) / 1e6 AS p99_ms
//	         FROM 'history.arrows' WHERE outcome = 1 GROUP BY 1;
//	pandas:  pyarrow.ipc.open_stream('history.arrows').read_pandas()
//	polars:  polars.read_ipc_stream('history.arrows')
//
// One row is one Op. An operation's times are start_ns, took_ns (end − start)
// and late_ns (start − intended): the two differences are small numbers, which
// a general compressor stores in less than half of what absolute times cost,
// and `end` would be a reserved word in SQL. Latency without coordinated
// omission is late_ns + took_ns. Rows of one batch are sorted by start.
//
// kind, outcome and error are numbers whose names are in the schema's metadata.
// They are no dictionaries, because most released versions of DuckDB's reader
// refuse a stream with a dictionary in it, and no strings, because those cost
// their offsets again for every row.
//
// elements is null but for operations that carry Elements.
//
// The stream's end marker, eight bytes, is written only after the last
// operation of every worker: a stream without it is torn.
const formatVersion = "1"

// Keys of the schema's metadata.
const (
	metaVersion  = "aftershock.version"
	metaRun      = "aftershock.meta" // Meta as JSON
	metaKinds    = "aftershock.kinds"
	metaOutcomes = "aftershock.outcomes"
	metaErrors   = "aftershock.errors"
	metaFlags    = "aftershock.flags"
)

// Bounds of the format. The writer keeps to them; the reader refuses what does
// not, so that a damaged or hostile file cannot ask for more memory.
const (
	maxBatchOps      = 1 << 16   // rows of a batch
	maxBatchElements = 1 << 24   // Elements of all rows of a batch
	maxMetadataBytes = 1 << 20   // of one message
	maxBodyBytes     = 192 << 20 // of one message
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
	columnFlags
	columnElements
	columns
)

var fields = [columns]arrow.Field{
	columnStart:    {Name: "start_ns", Type: arrow.PrimitiveTypes.Int64},
	columnTook:     {Name: "took_ns", Type: arrow.PrimitiveTypes.Int64},
	columnLate:     {Name: "late_ns", Type: arrow.PrimitiveTypes.Int64},
	columnWorkload: {Name: "workload", Type: arrow.PrimitiveTypes.Uint8},
	columnWorker:   {Name: "worker", Type: arrow.PrimitiveTypes.Uint16},
	columnProcess:  {Name: "process", Type: arrow.PrimitiveTypes.Uint32},
	columnNode:     {Name: "node", Type: arrow.PrimitiveTypes.Int8},
	columnKind:     {Name: "kind", Type: arrow.PrimitiveTypes.Uint8},
	columnKey:      {Name: "key", Type: arrow.PrimitiveTypes.Uint32},
	columnValue:    {Name: "value", Type: arrow.PrimitiveTypes.Int64},
	columnOld:      {Name: "old", Type: arrow.PrimitiveTypes.Int64},
	columnObserved: {Name: "observed", Type: arrow.PrimitiveTypes.Int64},
	columnOutcome:  {Name: "outcome", Type: arrow.PrimitiveTypes.Uint8},
	columnError:    {Name: "error", Type: arrow.PrimitiveTypes.Uint8},
	columnFlags:    {Name: "flags", Type: arrow.PrimitiveTypes.Uint8},
	columnElements: {Name: "elements", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int64), Nullable: true},
}

// newSchema is the schema of a run's history.
func newSchema(meta Meta) (*arrow.Schema, error) {
	run, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("encode the history's metadata: %w", err)
	}
	metadata := arrow.NewMetadata(
		[]string{metaVersion, metaRun, metaKinds, metaOutcomes, metaErrors, metaFlags},
		[]string{formatVersion, string(run), strings.Join(kindNames[:], ","), strings.Join(outcomeNames[:], ","),
			strings.Join(errorNames[:], ","), "1=final-read,2=warmup,4=from-primary,8=seen,16=part"})
	return arrow.NewSchema(fields[:], &metadata), nil
}
