package compose

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// maxFile bounds what is read of a compose file, in bytes.
const maxFile = 4 << 20

// project is what the target names: by Project, by the file's own name, by compose's
// variable, or by the file's folder. certain is false where it is the folder's: a
// project that was started with -p has another.
func (t Target) project() (name string, certain bool, err error) {
	if t.Project != "" {
		return t.Project, true, nil
	}
	if t.File == "" {
		return "", false, errors.New("no project: name the compose file or the project, or the containers themselves")
	}
	path, err := filepath.Abs(t.File)
	if err != nil {
		return "", false, err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", false, fmt.Errorf("the compose file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return "", false, fmt.Errorf("the compose file: %w", err)
	}
	var said struct {
		Name string `yaml:"name"`
	}
	if err := yaml.Unmarshal(text, &said); err != nil {
		return "", false, fmt.Errorf("the compose file %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	switch env := os.Getenv(projectVariable); {
	case env != "":
		return env, true, nil
	case fromEnvFile(dir) != "":
		return fromEnvFile(dir), true, nil
	case said.Name != "" && !strings.Contains(said.Name, "$"):
		return said.Name, true, nil
	}
	return normal(filepath.Base(dir)), false, nil
}

const projectVariable = "COMPOSE_PROJECT_NAME"

// fromEnvFile reads the project's name from the file .env beside a compose file, as
// compose does; empty if it says none.
func fromEnvFile(dir string) string {
	file, err := os.Open(filepath.Join(dir, ".env"))
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(io.LimitReader(file, maxFile)); lines.Scan(); {
		key, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export "), "=")
		if strings.TrimSpace(key) == projectVariable {
			return strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return ""
}

// normal makes a project's name of a folder's, as compose does.
func normal(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return -1
	}, strings.ToLower(name))
	return strings.TrimLeft(name, "-_")
}
