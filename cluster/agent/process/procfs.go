package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// numericNames lists the names in dir that are numbers; none if dir is gone.
func numericNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil && !processGone(err) {
		return nil, err
	}
	return slices.DeleteFunc(names, func(s string) bool { return s[0] < '0' || s[0] > '9' }), nil
}

// readStat reads a stat file; one whose process ended reads as a zombie's.
func readStat(file string) (state byte, group int, err error) {
	text, err := os.ReadFile(file)
	if processGone(err) {
		return 'Z', 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if state, group, err = parseStat(text); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", file, err)
	}
	return state, group, nil
}

// processGone tells whether err means that the process behind a file of /proc
// has ended.
func processGone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// parseStat reads the state and the process group of /proc/PID/stat, see
// proc_pid_stat(5). The command's name stands in parentheses and may hold any
// character, parentheses and blanks too, so the fields count from the last ")".
func parseStat(text []byte) (state byte, group int, err error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, 0, errors.New("stat without a command name")
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 3 || len(fields[0]) != 1 {
		return 0, 0, errors.New("stat is too short")
	}
	if state := fields[0][0] | 0x20; state < 'a' || state > 'z' {
		return 0, 0, fmt.Errorf("stat has %q for a state, which is no letter", fields[0])
	}
	group, err = strconv.Atoi(string(fields[2]))
	return fields[0][0], group, err
}
