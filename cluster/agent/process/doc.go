// Package process is what the agent does to the processes of its node: a
// Supervisor starts the server and other commands, reaps what has ended, and
// sends signals. Each action (kill, stop, pause and resume, restart) is a file
// with the method that puts it into effect.
//
// Linux only.
package process
