package foreign

import "testing"

func load(t testing.TB, path, model string) *Import {
	t.Helper()
	i, ok, err := Load(t.Context(), path, Options{Model: model})
	if err != nil || !ok {
		t.Fatalf("%s: %v, recognised %v", path, err, ok)
	}
	return i
}
