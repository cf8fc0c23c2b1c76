package manifest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile(SchemaID)
}

// visible are the kinds of mistakes a schema can see. It sees neither
// duplicate keys nor tags, which are gone when YAML has become JSON, nor
// rules between keys.
var visible = []Kind{KindUnknownKey, KindType, KindValue, KindUnsupported}

// TestSchemaAgreesWithParse asks both about every fixture: an editor shows a
// mistake exactly when the decoder finds one of a kind it can see.
func TestSchemaAgreesWithParse(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	beyond := []string{
		"alias",        // contains itself: no JSON at all
		"key-type",     // a key that is a list: no JSON at all
		"function-tag", // a tag is gone in JSON, and leaves a text for a number
		"env-secret",   // the value of a variable
		"pattern",      // regular expressions: checked by compiling them
		"tags",         // classes of Unicode, which not every validator's regular expressions know
	}
	for _, pattern := range []string{"good/*.yml", "bad/*.yml", "mu-article/*.yml"} {
		eachFixture(t, pattern, func(t *testing.T, path string, src []byte) {
			var doc any
			base := path[strings.LastIndex(path, "/")+1:]
			if slices.Contains(beyond, strings.TrimSuffix(base, ".yml")) || yaml.Unmarshal(src, &doc) != nil {
				t.Skip("beyond a schema")
			}
			_, err := Parse("slipway.yml", src, Options{Getenv: environ, DefaultServiceName: "folder"})
			wrong := s.Validate(jsonLike(doc))
			if seen := sees(err); seen != (wrong != nil) {
				t.Errorf("the decoder finds a visible mistake: %v\n%v\nthe schema says: %v", seen, err, wrong)
			}
		})
	}
}

func sees(err error) bool {
	all, _ := errors.AsType[Errors](err)
	return slices.ContainsFunc(all, func(e *Error) bool { return slices.Contains(visible, e.Kind) })
}

// jsonLike turns keys into strings, as an editor does.
func jsonLike(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			name, _ := yaml.Marshal(k)
			m[strings.TrimSpace(string(name))] = jsonLike(e)
		}
		return m
	case map[string]any:
		for k, e := range v {
			v[k] = jsonLike(e)
		}
	case []any:
		for i, e := range v {
			v[i] = jsonLike(e)
		}
	}
	return v
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	var visit func(k *key, path string)
	visit = func(k *key, path string) {
		for i := range k.keys {
			c := &k.keys[i]
			if c.about == "" {
				t.Errorf("%s.%s has no description", path, c.name)
			}
			visit(c, path+"."+c.name)
			if c.each != nil {
				visit(c.each, path+"."+c.name+"[]")
			}
		}
	}
	visit(fileKeys(), "")
}
