package clock

import "fmt"

// armCode is machine code at an offset of the vDSO: words of 4 bytes.
type armCode struct {
	at     uint64
	b      []byte
	labels map[string]int
	fixes  map[int]string // places of branches to labels
}

func (c *armCode) here() uint64 { return c.at + uint64(len(c.b)) }

func (c *armCode) put(words ...uint32) {
	for _, w := range words {
		c.b = le.AppendUint32(c.b, w)
	}
}

// Branches to an offset of the vDSO, b and bl.
func (c *armCode) jump(target uint64) { c.put(0x14000000 | armDistance(c.here(), target)) }
func (c *armCode) call(target uint64) { c.put(0x94000000 | armDistance(c.here(), target)) }

// armDistance is the 26-bit field of b and bl.
func armDistance(from, to uint64) uint32 { return uint32(int64(to-from)/4) & 0x03ffffff }

// branch puts a conditional branch to a label: its word without the distance.
func (c *armCode) branch(word uint32, label string) {
	c.fixes[len(c.b)] = label
	c.put(word)
}

func (c *armCode) label(name string) { c.labels[name] = len(c.b) }

// link fills the distances to labels in: 14 bits of tbz and tbnz, 19 of the others.
func (c *armCode) link() {
	for at, label := range c.fixes {
		w, distance := le.Uint32(c.b[at:]), uint32((c.labels[label]-at)/4)
		if w&0x7e000000 == 0x36000000 {
			w |= distance & 0x3fff << 5
		} else {
			w |= distance & 0x7ffff << 5
		}
		le.PutUint32(c.b[at:], w)
	}
}

// arm makes the hook of an arm64 vDSO. A called function may change x0 to x18.
func (h *hook) arm(m *image) error {
	c := &armCode{at: h.at, b: newHead(), labels: map[string]int{}, fixes: map[int]string{}}
	at, ok := m.entries["__kernel_clock_gettime"]
	if !ok {
		return errNoClock
	}
	original, at, err := c.moved(m, at)
	if err != nil {
		return err
	}
	clock := c.here()
	c.clockGettime(original)
	h.armEntry(m, at, clock)
	if at, ok = m.entries["__kernel_gettimeofday"]; ok {
		if original, at, err = c.moved(m, at); err != nil {
			return err
		}
		h.armEntry(m, at, c.here())
		c.gettimeofday(original, clock)
	}
	c.link()
	h.body = c.b
	return nil
}

// armEntry patches the one instruction at an offset.
func (h *hook) armEntry(m *image, at, to uint64) {
	c := armCode{at: at}
	c.jump(to)
	h.patchTo(m, at, c.b, len(c.b))
}

// moved puts the instruction here that a branch replaces, and a branch to what follows it.
// It tells where that is, and where the instruction was: at the entry, or behind the landing
// pad there, without which nobody may be led to a function by its address.
func (c *armCode) moved(m *image, entry uint64) (here, at uint64, err error) {
	at = entry
	if at+8 > uint64(len(m.bytes)) || at%4 != 0 {
		return 0, 0, fmt.Errorf("the vDSO's function at %#x is not whole", entry)
	}
	if landingPad(le.Uint32(m.bytes[at:])) {
		at += 4
	}
	w := le.Uint32(m.bytes[at:])
	if placed(w) {
		return 0, 0, fmt.Errorf("the vDSO's instruction at %#x (%#08x) cannot be moved", at, w)
	}
	here = c.here()
	c.put(w)
	c.jump(at + 4)
	return here, at, nil
}

// landingPad tells bti and paciasp, pacibsp.
func landingPad(w uint32) bool {
	return w&0xffffff3f == 0xd503241f || w == 0xd503233f || w == 0xd503237f
}

// placed tells whether an instruction goes by its own address, or does not go on behind
// itself: those of the branches' group, adr, adrp and ldr of a literal.
func placed(w uint32) bool {
	hint := w&0xfffff01f == 0xd503201f
	return w&0x1c000000 == 0x14000000 && !hint || w&0x1f000000 == 0x10000000 || w&0x3b000000 == 0x18000000
}

// clockGettime is int (clockid_t w0, struct timespec *x1).
func (c *armCode) clockGettime(original uint64) {
	c.put(0xa9be7bfd, // stp x29, x30, [sp, #-32]!
		0x910003fd, // mov x29, sp
		0xa90107e0) // stp x0, x1, [sp, #16]
	c.call(original)
	c.put(0xa94107e2, // ldp x2, x1, [sp, #16]
		0xa8c27bfd) // ldp x29, x30, [sp], #32
	c.branch(0x35000000, "clock done")              // cbnz w0
	c.put(0x7100001f | 2<<5 | lastRealtime<<10)     // cmp w2, #11
	c.branch(0x54000008, "clock done")              // b.hi
	c.put(0x52800003|realtimeClocks<<5, 0x1ac22463) // mov w3, #realtimeClocks; lsr w3, w3, w2
	c.branch(0x36000003, "clock done")              // tbz w3, #0

	c.put(0xa9401424, // ldp x4, x5, [x1]
		0x52800006|(billion&0xffff)<<5, // mov w6, #…
		0x72a00006|(billion>>16)<<5,    // movk w6, #…, lsl #16
		0x9b061484)                     // madd x4, x4, x6, x5: the true time
	c.adr(7, c.at)
	c.put(0x39400000|selOff<<10|7<<5|8, // ldrb w8, [x7, #selOff]
		0x8b0800e7, // add x7, x7, x8
		0xa9400000|(blocksOff/8)<<15|10<<10|7<<5|9,   // ldp x9, x10, [x7, #blocksOff]: offset and rate
		0xf9400000|(blocksOff+baseOff)/8<<10|7<<5|11, // ldr x11, [x7, #…]
		0xcb0b008b,              // sub x11, x4, x11
		0x9b0a7d6c,              // mul x12, x11, x10
		0x9b4a7d6d,              // smulh x13, x11, x10
		0x93cc01ac|rateBits<<10, // extr x12, x13, x12, #rateBits
		0x8b090084,              // add x4, x4, x9
		0x8b0c0084)              // add x4, x4, x12

	c.put(0x9ac60c85, // sdiv x5, x4, x6
		0x9b0690a8) // msub x8, x5, x6, x4
	c.branch(0xb6f80008, "clock whole") // tbz x8, #63
	c.put(0x8b060108,                   // add x8, x8, x6
		0xd10004a5) // sub x5, x5, #1
	c.label("clock whole")
	c.put(0xa9002025, // stp x5, x8, [x1]
		0x52800000) // mov w0, #0
	c.label("clock done")
	c.put(0xd65f03c0) // ret
}

// adr puts the address of an offset into a register.
func (c *armCode) adr(register uint32, target uint64) {
	d := uint32(target - c.here())
	c.put(0x10000000 | d&3<<29 | d>>2&0x7ffff<<5 | register)
}

// gettimeofday is int (struct timeval *x0, struct timezone *x1). Of the original only the
// time zone is wanted, for which nobody asks.
func (c *armCode) gettimeofday(original, clock uint64) {
	c.put(0xa9be7bfd, // stp x29, x30, [sp, #-32]!
		0x910003fd, // mov x29, sp
		0xa90107e0) // stp x0, x1, [sp, #16]
	c.branch(0xb4000001, "day time") // cbz x1
	c.call(original)
	c.branch(0x35000000, "day done") // cbnz w0
	c.label("day time")
	c.put(0xf9400be1)                // ldr x1, [sp, #16]
	c.branch(0xb4000001, "day none") // cbz x1
	c.put(0x52800000)                // mov w0, #0
	c.call(clock)
	c.branch(0x35000000, "day done") // cbnz w0
	c.put(0xf9400be1,                // ldr x1, [sp, #16]
		0xf9400422,         // ldr x2, [x1, #8]
		0x52800003|1000<<5, // mov w3, #1000
		0x9ac30842,         // udiv x2, x2, x3
		0xf9000422)         // str x2, [x1, #8]
	c.label("day none")
	c.put(0x52800000) // mov w0, #0
	c.label("day done")
	c.put(0xa8c27bfd, 0xd65f03c0) // ldp x29, x30, [sp], #32; ret
}
