package results

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// PlanSettings are the single values of an effective plan's YAML by their paths
// ("faults.0.at"), but for those below some keys.
func PlanSettings(text string, without ...string) (map[string]string, error) {
	var root map[string]any
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return nil, err
	}
	for _, key := range without {
		delete(root, key)
	}
	settings := map[string]string{}
	Flatten(settings, "", root)
	return settings, nil
}

// Flatten lists the single values of what YAML or JSON holds, by their paths.
func Flatten(into map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			Flatten(into, strings.TrimPrefix(path+"."+name, "."), child)
		}
	case []any:
		for i, child := range v {
			Flatten(into, fmt.Sprintf("%s.%d", path, i), child)
		}
	default:
		into[path] = fmt.Sprint(v)
	}
}

// PlanDigest is the same for plans whose settings are, but for those below some keys.
// Empty if the text is no plan.
func PlanDigest(text string, without ...string) string {
	settings, err := PlanSettings(text, without...)
	if err != nil || len(settings) == 0 {
		return ""
	}
	digest := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(digest, "%q=%q\n", path, settings[path])
	}
	return "sha256:" + hex.EncodeToString(digest.Sum(nil))
}

// Digest tells plans apart that go by one name: runs whose plans have the same one were
// asked the same, but for the seed and the words about it. Empty where the plan is not
// known.
func (p PlanInfo) Digest() string { return PlanDigest(p.YAML, "name", "about", "seed", "host") }
