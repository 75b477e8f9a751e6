package watch

// FlawTexts say in general terms what the evidence shows.
var FlawTexts = map[Flaw]string{
	Flawless:    "no single order explains these operations",
	FlawPhantom: "a value was read that nobody wrote",
	FlawRefused: "a write that was reported failed took effect all the same",
	FlawUpdate:  "two compare-and-sets both replaced the same value: one update is lost",
	FlawCycle:   "compare-and-sets replaced each other's values in a circle",
	FlawFuture:  "a value was seen, or replaced, before it was there, or after it had been replaced",
	FlawOrder:   "no single order explains these operations: each of two values must have been there before the other",
}

// Flaw is why the operations of a register have no order that explains them.
type Flaw uint8

const (
	Flawless    Flaw = iota
	FlawPhantom      // a value that nobody wrote was seen
	FlawRefused      // a write that was reported failed was seen
	FlawUpdate       // two compare-and-sets replaced the same value
	FlawCycle        // compare-and-sets replaced each other's values in a circle
	FlawFuture       // an operation on a value ended before the value was there
	FlawOrder        // of two values each must precede the other
)
