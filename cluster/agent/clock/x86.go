package clock

import (
	"bytes"
	"fmt"

	"golang.org/x/arch/x86/x86asm"
)

// jumpSize is that of a jump with a 32-bit distance.
const jumpSize = 5

// realtimeClocks are the clocks that are shifted, as bits: CLOCK_REALTIME, _COARSE, _ALARM
// and CLOCK_TAI, which goes by it. lastRealtime is the highest of them.
const (
	realtimeClocks = 1<<0 | 1<<5 | 1<<8 | 1<<11
	lastRealtime   = 11
	coarse         = 5 // CLOCK_REALTIME_COARSE
)

const billion = 1_000_000_000

// x86Code is machine code at an offset of the vDSO.
type x86Code struct {
	at     uint64
	b      []byte
	labels map[string]int
	short  map[int]string // places of 8-bit distances to labels
}

func (c *x86Code) here() uint64  { return c.at + uint64(len(c.b)) }
func (c *x86Code) put(b ...byte) { c.b = append(c.b, b...) }
func (c *x86Code) word(n uint32) { c.b = le.AppendUint32(c.b, n) }

// distance puts that from the end of the instruction, which it ends, to a target.
func (c *x86Code) distance(target uint64) { c.word(uint32(target - (c.here() + 4))) }
func (c *x86Code) call(target uint64)     { c.put(0xe8); c.distance(target) }
func (c *x86Code) jump(target uint64)     { c.put(0xe9); c.distance(target) }

// branch puts a short branch of an opcode to a label.
func (c *x86Code) branch(opcode byte, label string) {
	c.put(opcode, 0)
	c.short[len(c.b)-1] = label
}

func (c *x86Code) label(name string) { c.labels[name] = len(c.b) }

// link fills the short branches in.
func (c *x86Code) link() {
	for at, label := range c.short {
		c.b[at] = byte(c.labels[label] - at - 1)
	}
}

// The short branches.
const (
	branchZero    = 0x74
	branchNonzero = 0x75
	branchAbove   = 0x77
	branchNoCarry = 0x73
	branchNoSign  = 0x79
)

// x86 makes the hook of an amd64 vDSO. A called function may change rax, rcx, rdx, rsi, rdi
// and r8 to r11; the stack is 8 bytes off a multiple of 16 at its entry.
func (h *hook) x86(m *image) error {
	c := &x86Code{at: h.at, b: newHead(), labels: map[string]int{}, short: map[int]string{}}
	gettime, ok := m.entries["__vdso_clock_gettime"]
	if !ok {
		return errNoClock
	}
	original, unsafe, err := c.moved(m, gettime)
	if err != nil {
		return err
	}
	clock := c.here()
	c.clockGettime(original)
	h.x86Entry(m, gettime, clock, unsafe)
	if at, ok := m.entries["__vdso_gettimeofday"]; ok {
		if original, unsafe, err = c.moved(m, at); err != nil {
			return err
		}
		h.x86Entry(m, at, c.here(), unsafe)
		c.gettimeofday(original, clock)
	}
	if at, ok := m.entries["__vdso_time"]; ok {
		if _, unsafe, err = x86Moved(m, at); err != nil {
			return err
		}
		h.x86Entry(m, at, c.here(), unsafe)
		c.time(clock)
	}
	c.link()
	h.body = c.b
	return nil
}

// x86Entry patches an entry.
func (h *hook) x86Entry(m *image, at, to uint64, unsafe int) {
	c := x86Code{at: at}
	c.jump(to)
	h.patchTo(m, at, c.b, unsafe)
}

// moved puts the instructions here that a jump at an entry replaces, and a jump to what
// follows them, and tells where that is and how many bytes they are.
func (c *x86Code) moved(m *image, entry uint64) (at uint64, n int, err error) {
	list, n, err := x86Moved(m, entry)
	if err != nil {
		return 0, 0, err
	}
	at = c.here()
	for _, i := range list {
		b := bytes.Clone(m.bytes[i.at : i.at+uint64(i.Len)])
		if i.PCRel == 4 { // what it points to is as far off as it was moved
			to := le.Uint32(b[i.PCRelOff:]) + uint32(i.at) - uint32(c.here())
			le.PutUint32(b[i.PCRelOff:], to)
		}
		c.put(b...)
	}
	c.jump(entry + uint64(n))
	return at, n, nil
}

// x86Instruction is one at an offset of the vDSO.
type x86Instruction struct {
	x86asm.Inst
	at uint64
}

// x86Moved lists the instructions that a jump at an entry replaces. It refuses those that
// cannot be elsewhere, and functions that may jump back into the middle of them.
func x86Moved(m *image, entry uint64) (list []x86Instruction, n int, err error) {
	for n < jumpSize {
		i, err := x86Decode(m.bytes, entry+uint64(n))
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("the vDSO's instruction at %#x is not known: % x", entry+uint64(n), m.bytes[entry+uint64(n):][:8])
		case i.PCRel != 0 && i.PCRel != 4, i.Op == x86asm.RET, i.Op == x86asm.JMP, i.Op == x86asm.CALL, i.Op == x86asm.INT:
			return nil, 0, fmt.Errorf("the vDSO's instruction at %#x (%s) cannot be moved", i.at, i.Inst)
		}
		list = append(list, i)
		n += i.Len
	}
	for at := entry + uint64(n); ; {
		i, err := x86Decode(m.bytes, at)
		if err != nil || i.Op == x86asm.RET {
			return list, n, nil
		}
		at += uint64(i.Len)
		if to, ok := i.Args[0].(x86asm.Rel); ok {
			if target := at + uint64(to); target > entry && target < entry+uint64(n) {
				return nil, 0, fmt.Errorf("the vDSO's function at %#x jumps back to its begin", entry)
			}
		}
	}
}

// x86Decode reads one instruction.
func x86Decode(text []byte, at uint64) (x86Instruction, error) {
	if at >= uint64(len(text)) {
		return x86Instruction{}, x86asm.ErrTruncated
	}
	if bytes.HasPrefix(text[at:], []byte{0xf3, 0x0f, 0x1e, 0xfa}) { // endbr64
		return x86Instruction{x86asm.Inst{Op: x86asm.NOP, Len: 4}, at}, nil
	}
	i, err := x86asm.Decode(text[at:], 64)
	return x86Instruction{i, at}, err
}

// clockGettime is int (clockid_t edi, struct timespec *rsi).
func (c *x86Code) clockGettime(original uint64) {
	c.put(0x57, 0x56, 0x48, 0x83, 0xec, 0x08) // push rdi; push rsi; sub rsp,8
	c.call(original)
	c.put(0x48, 0x83, 0xc4, 0x08, 0x5e, 0x5f) // add rsp,8; pop rsi; pop rdi
	c.put(0x85, 0xc0)                         // test eax,eax
	c.branch(branchNonzero, "clock done")
	c.put(0x83, 0xff, lastRealtime) // cmp edi,11
	c.branch(branchAbove, "clock done")
	c.put(0xb9) // mov ecx,realtimeClocks
	c.word(realtimeClocks)
	c.put(0x0f, 0xa3, 0xf9) // bt ecx,edi
	c.branch(branchNoCarry, "clock done")

	c.put(0x48, 0x8b, 0x06, 0xb9) // mov rax,[rsi]; mov ecx,1e9
	c.word(billion)
	c.put(0x48, 0x0f, 0xaf, 0xc1)           // imul rax,rcx
	c.put(0x48, 0x03, 0x46, 0x08)           // add rax,[rsi+8]: the true time
	c.put(0x49, 0x89, 0xc0)                 // mov r8,rax
	c.put(0x0f, 0xb6, 0x0d)                 // movzx ecx,byte [rip+…]
	c.distance(c.at + selOff)               //
	c.put(0x4c, 0x8d, 0x0d)                 // lea r9,[rip+…]
	c.distance(c.at + blocksOff)            //
	c.put(0x49, 0x01, 0xc9)                 // add r9,rcx
	c.put(0x49, 0x2b, 0x41, baseOff)        // sub rax,[r9+baseOff]
	c.put(0x49, 0xf7, 0x69, rateOff)        // imul qword [r9+rateOff]
	c.put(0x48, 0x0f, 0xac, 0xd0, rateBits) // shrd rax,rdx,rateBits
	c.put(0x4c, 0x01, 0xc0)                 // add rax,r8
	c.put(0x49, 0x03, 0x01)                 // add rax,[r9+offsetOff]

	c.put(0x48, 0x99, 0xb9) // cqo; mov ecx,1e9
	c.word(billion)
	c.put(0x48, 0xf7, 0xf9, 0x48, 0x85, 0xd2) // idiv rcx; test rdx,rdx
	c.branch(branchNoSign, "clock whole")
	c.put(0x48, 0x01, 0xca, 0x48, 0xff, 0xc8) // add rdx,rcx; dec rax
	c.label("clock whole")
	c.put(0x48, 0x89, 0x06, 0x48, 0x89, 0x56, 0x08) // mov [rsi],rax; mov [rsi+8],rdx
	c.put(0x31, 0xc0)                               // xor eax,eax
	c.label("clock done")
	c.put(0xc3)
}

// gettimeofday is int (struct timeval *rdi, struct timezone *rsi). Of the original only
// the time zone is wanted, for which nobody asks.
func (c *x86Code) gettimeofday(original, clock uint64) {
	c.put(0x48, 0x85, 0xf6) // test rsi,rsi
	c.branch(branchZero, "day time")
	c.put(0x57, 0x56, 0x48, 0x83, 0xec, 0x08) // push rdi; push rsi; sub rsp,8
	c.call(original)
	c.put(0x48, 0x83, 0xc4, 0x08, 0x5e, 0x5f) // add rsp,8; pop rsi; pop rdi
	c.put(0x85, 0xc0)                         // test eax,eax
	c.branch(branchNonzero, "day done")
	c.label("day time")
	c.put(0x31, 0xc0, 0x48, 0x85, 0xff) // xor eax,eax; test rdi,rdi
	c.branch(branchZero, "day done")
	c.put(0x57, 0x48, 0x89, 0xfe, 0x31, 0xff) // push rdi; mov rsi,rdi; xor edi,edi
	c.call(clock)
	c.put(0x5f, 0x85, 0xc0) // pop rdi; test eax,eax
	c.branch(branchNonzero, "day done")
	c.put(0x48, 0x8b, 0x47, 0x08, 0x31, 0xd2, 0xb9) // mov rax,[rdi+8]; xor edx,edx; mov ecx,1000
	c.word(1000)
	c.put(0x48, 0xf7, 0xf1, 0x48, 0x89, 0x47, 0x08) // div rcx; mov [rdi+8],rax
	c.put(0x31, 0xc0)                               // xor eax,eax
	c.label("day done")
	c.put(0xc3)
}

// time is time_t (time_t *rdi).
func (c *x86Code) time(clock uint64) {
	c.put(0x57, 0x48, 0x83, 0xec, 0x10) // push rdi; sub rsp,16
	c.put(0x48, 0x89, 0xe6, 0xbf)       // mov rsi,rsp; mov edi,coarse
	c.word(coarse)                      //
	c.call(clock)                       //
	c.put(0x48, 0x8b, 0x04, 0x24)       // mov rax,[rsp]
	c.put(0x48, 0x83, 0xc4, 0x10, 0x5f) // add rsp,16; pop rdi
	c.put(0x48, 0x85, 0xff)             // test rdi,rdi
	c.branch(branchZero, "time done")   //
	c.put(0x48, 0x89, 0x07)             // mov [rdi],rax
	c.label("time done")                //
	c.put(0xc3)                         //
}
