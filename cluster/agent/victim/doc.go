// Package victim is what a guest does to the processes of a server that somebody
// else started, in a PID namespace that the two share: pause, resume, crash.
//
// The server often is PID 1 of its namespace, which ignores SIGSTOP and SIGKILL
// from inside. The kernel's ptrace reaches it: PTRACE_INTERRUPT stops a thread,
// and PTRACE_O_EXITKILL has the kernel itself kill a process whose tracer ends. A
// pause is made without that option, and by ptrace for every process: it ends
// when the guest does, however that ends, and its parent does not see it.
//
// Linux only.
package victim
