// Package clock makes the wall clock of a node's processes wrong, and theirs alone.
//
// Programs ask the kernel for the time without a system call, in the vDSO: a page of code
// that the kernel maps into each process, privately. /proc/PID/mem writes it, and the
// kernel makes a copy for that process and what it forks. A jump at the entries of
// clock_gettime, gettimeofday and time leads to code in the unused end of that page, which
// asks the original and adds what is wanted of it: an offset, and a rate at which it grows.
// What is wanted is data beside the code, so that a change of it stops nobody.
//
// The monotonic clocks stay as they are. The true time is also what the kernel itself goes
// by: times of files, raw system calls, and waits until an instant of the wall clock, which
// are counted (waits.go), as such a wait is wrong by the skew.
package clock
