package clock

import "testing"

func TestParseCall(t *testing.T) {
	for text, want := range map[string]call{
		"running\n":                          {running: true},
		"-1 0x7ffe12345678 0x7f0000001000\n": {number: -1, pc: 0x7f0000001000},
		"202 0x1 0x189 0x0 0x7f00 0x0 0xffffffff 0x2 0x3\n": {number: 202, args: [6]uint64{1, 0x189, 0, 0x7f00, 0, 0xffffffff}, pc: 3},
	} {
		if got, err := parseCall(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x 0x1 0x2", "1 2", "1 0x1 0xg"} {
		if c, err := parseCall(text); err == nil {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

func TestUntilWallClock(t *testing.T) {
	futex := func(op, timeout uint64) call { return call{number: sysFutex, args: [6]uint64{1, op, 0, timeout}} }
	for name, c := range map[string]struct {
		call
		want bool
	}{
		"condition variable with a time-out": {futex(9|0x80|0x100, 0x7f00), true},
		"of another process's":               {futex(9|0x100, 0x7f00), true},
		"condition variable without":         {futex(9|0x80|0x100, 0), false},
		"on the monotonic clock":             {futex(9|0x80, 0x7f00), false},
		"relative":                           {futex(0x80, 0x7f00), false},
		"lock with a time-out":               {futex(6|0x80, 0x7f00), true},
		"wake":                               {futex(1|0x80|0x100, 0x7f00), false},
		"sleep until":                        {call{number: sysClockNanosleep, args: [6]uint64{0, 1}}, true},
		"sleep for":                          {call{number: sysClockNanosleep, args: [6]uint64{0, 0}}, false},
		"sleep until an instant of the other clock": {call{number: sysClockNanosleep, args: [6]uint64{1, 1}}, false},
		"futex_wait": {call{number: sysFutexWait, args: [6]uint64{1, 0, 0, 0, 0x7f00, 0}}, true},
		"no call":    {call{number: -1}, false},
	} {
		if c.untilWallClock() != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}
