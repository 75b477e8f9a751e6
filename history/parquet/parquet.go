// Package parquet writes a history as a Parquet file, which has the columns of
// our own (docs/history.md) and is read by what reads no Arrow stream.
package parquet

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"

	"github.com/aftershock-chaos/aftershock/history"
)

// The bounds of a row group, of which one at a time is in memory.
const (
	groupOps      = 1 << 17
	groupElements = 1 << 20
)

// Names in the file's metadata.
const (
	// TornKey says whether the history was torn: "true" if its harness died, as
	// Parquet has no other sign of it.
	TornKey = "aftershock.torn"
	// arrowKey has, by Arrow's custom, the schema that the columns came from, in which
	// they tell their units and meanings.
	arrowKey = "ARROW:schema"
)

// Write writes the operations of a log that are wanted, in order of time. Of one
// on disk it holds a row group in memory, and what the pass over the file holds.
func Write(w io.Writer, log *history.Log, wanted func(*history.Op) bool) error {
	columns, err := history.NewColumns(log.Meta)
	if err != nil {
		return err
	}
	options, err := told(columns.Schema())
	if err != nil {
		return err
	}
	g := group{columns: columns, out: parquet.NewGenericWriter[row](onlyWriter{w}, append(options, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("aftershock", "", ""))...)}
	for op := range log.All() {
		if !wanted(op) {
			continue
		}
		if err := g.add(op); err != nil {
			return err
		}
	}
	if err := log.Err(); err != nil {
		return err
	}
	if err := g.flush(); err != nil {
		return err
	}
	g.out.SetKeyValueMetadata(TornKey, strconv.FormatBool(log.Torn))
	if err := g.out.Close(); err != nil {
		return fmt.Errorf("end the Parquet file: %w", err)
	}
	return nil
}

// told is what the schema tells as the file's metadata, the schema itself among it.
func told(s *arrow.Schema) ([]parquet.WriterOption, error) {
	var stream bytes.Buffer
	if err := ipc.NewWriter(&stream, ipc.WithSchema(s)).Close(); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	options := []parquet.WriterOption{parquet.KeyValueMetadata(arrowKey, base64.StdEncoding.EncodeToString(stream.Bytes()))}
	of := s.Metadata()
	for i, key := range of.Keys() {
		options = append(options, parquet.KeyValueMetadata(key, of.Values()[i]))
	}
	return options, nil
}

// onlyWriter hides that an output can be closed: whoever opened it closes it.
type onlyWriter struct{ io.Writer }

// group collects the operations of a row group.
type group struct {
	columns  *history.Columns
	out      *parquet.GenericWriter[row]
	ops      []history.Op
	rows     []row
	elements int
}

func (g *group) add(op *history.Op) error {
	g.ops = append(g.ops, *op)
	if g.elements += len(op.Elements); len(g.ops) < groupOps && g.elements < groupElements {
		return nil
	}
	return g.flush()
}

// flush writes what was collected, and ends its row group.
func (g *group) flush() error {
	if len(g.ops) == 0 {
		return nil
	}
	batch := g.columns.Batch(g.ops)
	defer batch.Release()
	g.rows = rowsOf(g.rows[:0], batch)
	if _, err := g.out.Write(g.rows); err != nil {
		return fmt.Errorf("write a row group: %w", err)
	}
	if err := g.out.Flush(); err != nil {
		return fmt.Errorf("write a row group: %w", err)
	}
	clear(g.ops) // their Elements
	clear(g.rows)
	g.ops, g.elements = g.ops[:0], 0
	return nil
}
