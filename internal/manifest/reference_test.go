package manifest

import (
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestReferenceLoads(t *testing.T) {
	t.Parallel()
	m := parse(t, ReferenceYAML)
	if len(m.Environments) != 2 || m.Service == nil || len(m.Templates) != 2 || len(m.Parameters) != 1 || len(m.Tags) != 1 {
		t.Errorf("the reference lacks a section: %+v", m)
	}
}

// TestReferenceHasEveryKey asserts that each key Slipway acts on is in the
// reference, and that keys with a default are shown with it.
func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	var doc any
	if err := yaml.Unmarshal([]byte(ReferenceYAML), &doc); err != nil {
		t.Fatal(err)
	}
	checkReference(t, fileKeys(), []any{doc}, "")
}

// checkReference looks for the children of a key in examples of its value.
func checkReference(t *testing.T, k *key, examples []any, path string) {
	t.Helper()
	for i := range k.keys {
		c := &k.keys[i]
		if c.state == later {
			continue
		}
		at, found := join(path, c.name), valuesOf(examples, c.name)
		if len(found) == 0 {
			t.Errorf("the reference does not show %s", at)
			continue
		}
		if c.preset != "" && asText(found[0]) != c.preset {
			t.Errorf("the reference shows %s: %v; the default is %s", at, found[0], c.preset)
		}
		if c.shape == listShape {
			var items []any
			for _, list := range found {
				items = append(items, list.([]any)...)
			}
			checkReference(t, c.each, items, at+"[]")
			continue
		}
		checkReference(t, c, found, at)
	}
}

func valuesOf(examples []any, name string) (found []any) {
	for _, e := range examples {
		if m, ok := e.(map[string]any); ok && m[name] != nil {
			found = append(found, m[name])
		}
	}
	return found
}

func asText(v any) string {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	default:
		s, _ := v.(string)
		return s
	}
}

func TestReferenceDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	golden(t, "../../docs/manifest.md", Reference())
}

// TestKeysOfMu lists every key, its aliases and its state, so that a change
// of what is known or supported shows in review.
func TestKeysOfMu(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	listKeys(&b, fileKeys(), "", now)
	golden(t, "testdata/keys.golden", b.String())
}

func listKeys(b *strings.Builder, k *key, path string, parent state) {
	for i := range k.keys {
		c := &k.keys[i]
		state := c.state && parent
		word := map[bool]string{true: "now", false: "later"}[bool(state)]
		at := join(path, c.name)
		b.WriteString(word + "\t" + strings.Join(append([]string{at}, c.aliases...), " = ") + "\n")
		listKeys(b, c, at, state)
		if c.each != nil {
			listKeys(b, c.each, at+map[shape]string{listShape: "[]", openShape: ".*"}[c.shape], state)
		}
	}
}

func TestInitLoads(t *testing.T) {
	t.Parallel()
	for _, opt := range []InitOptions{
		{},
		{Environments: []string{"acceptance", "production"}, Provider: ProviderECS, Service: "orders", Port: 80},
		{Environments: []string{"no", "123"}, Service: "null"},
	} {
		m := parse(t, string(Init(opt)))
		if len(opt.Environments) > 0 && strings.Join(m.EnvironmentNames(), " ") != strings.Join(opt.Environments, " ") {
			t.Errorf("environments %v for %+v", m.EnvironmentNames(), opt)
		}
		if opt.Service != "" && m.Service.Name != opt.Service || opt.Port != 0 && m.Service.Port != opt.Port {
			t.Errorf("service %+v for %+v", m.Service, opt)
		}
		if len(m.Warnings) > 0 {
			t.Errorf("a fresh file has warnings:\n%v", m.Warnings[0])
		}
	}
}

func TestInitText(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/init.golden", string(Init(InitOptions{Environments: []string{"acceptance", "production"}, Service: "orders"})))
}
