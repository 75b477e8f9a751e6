// Package parquet writes a history as a Parquet file, which has the columns of
// our own (docs/history.md) and is read by what reads no Arrow stream.
package parquet

import (
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/aftershock-chaos/aftershock/history"
)

// The bounds of a row group, of which one at a time is in memory.
const (
	groupOps      = 1 << 17
	groupElements = 1 << 20
)

// TornKey is the file's metadata that says whether the history was torn: "true"
// if its harness died, as Parquet has no other sign of it.
const TornKey = "aftershock.torn"

// Write writes the operations of a log that are wanted, in order of time. Of one
// on disk it holds a row group in memory, and what the pass over the file holds.
func Write(w io.Writer, log *history.Log, wanted func(*history.Op) bool) error {
	columns, err := history.NewColumns(log.Meta)
	if err != nil {
		return err
	}
	out, err := pqarrow.NewFileWriter(columns.Schema(), onlyWriter{w}, properties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return fmt.Errorf("begin the Parquet file: %w", err)
	}
	g := group{columns: columns, out: out}
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
	if err := out.AppendKeyValueMetadata(TornKey, strconv.FormatBool(log.Torn)); err != nil {
		return fmt.Errorf("end the Parquet file: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("end the Parquet file: %w", err)
	}
	return nil
}

// properties are those of numbers that hardly ever come twice, and of words.
func properties() *parquet.WriterProperties {
	options := []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCreatedBy("aftershock"),
		parquet.WithMaxRowGroupLength(groupOps)}
	for _, column := range []string{"start_ns", "took_ns", "late_ns", "value"} {
		options = append(options, parquet.WithDictionaryFor(column, false))
	}
	return parquet.NewWriterProperties(append(options, parquet.WithEncodingFor("start_ns", parquet.Encodings.DeltaBinaryPacked))...)
}

// onlyWriter hides that an output can be closed: whoever opened it closes it.
type onlyWriter struct{ io.Writer }

// group collects the operations of a row group.
type group struct {
	columns  *history.Columns
	out      *pqarrow.FileWriter
	ops      []history.Op
	elements int
}

func (g *group) add(op *history.Op) error {
	g.ops = append(g.ops, *op)
	if g.elements += len(op.Elements); len(g.ops) < groupOps && g.elements < groupElements {
		return nil
	}
	return g.flush()
}

func (g *group) flush() error {
	if len(g.ops) == 0 {
		return nil
	}
	batch := g.columns.Batch(g.ops)
	defer batch.Release()
	if err := g.out.Write(batch); err != nil {
		return fmt.Errorf("write a row group: %w", err)
	}
	clear(g.ops) // their Elements
	g.ops, g.elements = g.ops[:0], 0
	return nil
}
