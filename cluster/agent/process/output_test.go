package process

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A ring gives every reader the end of what was written, and says what it lacks.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newOutputRing(rapid.IntRange(1, 64).Draw(t, "size"))
		var written, read strings.Builder
		position, missed := uint64(0), false
		buf := make([]byte, 200)
		readOne := func() bool {
			before := position
			n, after, ok := r.next(t.Context(), position, buf)
			position = after
			if oldest := uint64(written.Len() - min(written.Len(), len(r.buf))); ok && before < oldest {
				if string(buf[:n]) != droppedNote(oldest-before) {
					t.Fatalf("note %q for %d bytes", buf[:n], oldest-before)
				}
				missed = true
				read.WriteString(written.String()[before:oldest])
				return true
			}
			read.Write(buf[:n])
			return ok
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "write") || position == uint64(written.Len()) {
				p := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "p")
				written.Write(p)
				if n, err := r.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
			} else {
				readOne()
			}
		}
		r.close()
		for readOne() {
		}
		if read.String() != written.String() {
			t.Fatalf("read %q of %q (missed some: %t)", read.String(), written.String(), missed)
		}
	})
}
