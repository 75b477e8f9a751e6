package kit

// Fate is what became of the write of a value, as its client knows it.
type Fate uint8

const (
	Initial Fate = iota // the value before any write
	Acked               // acknowledged
	Unsure              // its outcome is unknown
	Refused             // reported failed
	Orphan              // nobody wrote it, as far as the log tells
)
