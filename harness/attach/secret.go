package attach

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Secret says where a password is: it is never in a plan, which is copied into
// each run's folder.
type Secret struct {
	variable string
	file     string
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// ParseSecret reads ${NAME} or file:PATH; nothing is no secret. The error does not
// quote what it refuses, which may be a password.
func ParseSecret(text string) (Secret, error) {
	if text == "" {
		return Secret{}, nil
	}
	if m := variable.FindStringSubmatch(text); m != nil {
		return Secret{variable: m[1]}, nil
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok && path != "" {
		return Secret{file: path}, nil
	}
	return Secret{}, errors.New("a password itself is not to be in a plan, which each run keeps a copy of")
}

// Variable is the environment variable that has it, empty if none does.
func (s Secret) Variable() string { return s.variable }

// mostSecret bounds a password's file.
const mostSecret = 64 << 10

// Read is the password, empty if there is none. A file's last line end is not part
// of it. Errors say where it was looked for.
func (s Secret) Read() (string, error) {
	switch {
	case s.variable != "":
		value, ok := os.LookupEnv(s.variable)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set: export it, or use file:PATH", s.variable)
		}
		return value, nil
	case s.file != "":
		text, err := os.ReadFile(s.file)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		if len(text) > mostSecret {
			return "", fmt.Errorf("read the password: %s has %d bytes, which is no password", s.file, len(text))
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	return "", nil
}

var password = regexp.MustCompile(`(?i)passw|://[^/\s]*:[^/\s]*@`)

// Secretive tells whether a line of a plan may hold a password, of a value at that
// path: it belongs into no plan, and is not to be told with the mistake.
func Secretive(path, line string) bool {
	return strings.HasPrefix(path, "target.connect") || password.MatchString(line)
}
