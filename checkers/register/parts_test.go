package register

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// TestValueIndexIsUsedAgain: what was in it before neither is found nor takes room.
func TestValueIndexIsUsedAgain(t *testing.T) {
	var x valueIndex
	var all []value
	for i := range int64(8) {
		all = append(all, value{v: i << 24}, value{v: -i - 1})
	}
	for range 3 {
		x.reserve(8)
		for i := range int32(8) {
			if got := x.find(all, all[i].v); got != kit.None {
				t.Errorf("%d is there from before", all[i].v)
			}
			x.put(all, i)
		}
		if len(x.slots) != 16 {
			t.Errorf("%d slots for 8 values", len(x.slots))
		}
	}
	for i := int32(8); int(i) < len(all); i++ {
		x.put(all, i)
	}
	for i := range int32(len(all)) {
		if got := x.find(all, all[i].v); got != i || 2*x.used > len(x.slots) {
			t.Errorf("value %d is found at %d; %d of %d slots are used", all[i].v, got, x.used, len(x.slots))
		}
	}
}

func TestShareOfNothingIsUnknown(t *testing.T) {
	values, _ := check(t, logOf(registerType, write(1, 0, 10)))
	expect(t, values, "reads.stale_ratio=?")
}
