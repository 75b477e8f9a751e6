package kit

import "sync/atomic"

// Made is what the Form of an attached System has made of the run's own objects, so that
// Remove takes nothing away that is another's. Of a System that was never asked to form
// another may have made something under its name, and Remove has to look.
type Made struct{ state atomic.Int32 }

const (
	notYet int32 = iota // nobody has asked
	nothing
	something
)

// Begin is for a Form that begins: it has made nothing yet.
func (m *Made) Begin() { m.state.CompareAndSwap(notYet, nothing) }

// Something is for what is about to be made, or may have been whatever became of the
// request.
func (m *Made) Something() { m.state.Store(something) }

// Nothing is for what turned out to be another's.
func (m *Made) Nothing() { m.state.Store(nothing) }

// None tells whether a Form came to make nothing, so that there is nothing to remove.
func (m *Made) None() bool { return m.state.Load() == nothing }

// Some tells whether a Form has made something, or may have.
func (m *Made) Some() bool { return m.state.Load() == something }
