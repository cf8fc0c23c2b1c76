// Command gen reduces the resource-type schemas of an installed cfn-lint to
// the file that package schema embeds.
//
//	CFNLINT=$(python3 -c 'import cfnlint; print(cfnlint.__path__[0])') go generate ./internal/cfn/schema
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway.dev/internal/cfn/schema"
)

func main() {
	directory := flag.String("cfnlint", "", "directory of the cfnlint Python package")
	out := flag.String("o", "schemas.bin", "file to write")
	flag.Parse()
	if err := generate(*directory, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(directory, out string) error {
	files, err := typeFiles(filepath.Join(directory, "data", "schemas"))
	if err != nil {
		return err
	}
	known, err := readAttributes(filepath.Join(directory, "schema", "_getatts.py"))
	if err != nil {
		return err
	}
	var types []*schema.Type
	for name, file := range files {
		t, err := readType(name, file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.AllAttributes = slices.Contains(known.all, name)
		t.Attributes = known.more[name]
		types = append(types, t)
	}
	packed, err := schema.Pack(types)
	if err != nil {
		return err
	}
	fmt.Printf("%d types, %d bytes\n", len(types), len(packed))
	return os.WriteFile(out, packed, 0o644)
}

var providerLine = regexp.MustCompile(`"([A-Za-z0-9]+::[A-Za-z0-9:]+)": "([0-9a-f]+)"`)

// typeFiles maps each type to its schema: that of us-east-1 where there is
// one, else of the first region that has the type.
func typeFiles(root string) (map[string]string, error) {
	providers, err := filepath.Glob(filepath.Join(root, "providers", "*_*_*.py"))
	if err != nil || len(providers) == 0 {
		return nil, fmt.Errorf("no providers in %s", root)
	}
	slices.SortFunc(providers, func(a, b string) int {
		if first := filepath.Join(root, "providers", "us_east_1.py"); a == first || b == first {
			return map[bool]int{true: -1, false: 1}[a == first]
		}
		return strings.Compare(a, b)
	})
	files := map[string]string{}
	for _, provider := range providers {
		text, err := os.ReadFile(provider)
		if err != nil {
			return nil, err
		}
		for _, match := range providerLine.FindAllStringSubmatch(string(text), -1) {
			if _, ok := files[match[1]]; !ok && match[1] != "Module" {
				files[match[1]] = filepath.Join(root, "resources", match[2]+".json")
			}
		}
	}
	return files, nil
}

// attributes is what cfn-lint knows of Fn::GetAtt beyond the schemas.
type attributes struct {
	all  []string
	more map[string][]string
}

var (
	quoted    = regexp.MustCompile(`"([^"]+)"`)
	exception = regexp.MustCompile(`(?s)"([A-Za-z0-9:]+)": \[(.*?)\]`)
)

func readAttributes(file string) (attributes, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return attributes{}, err
	}
	_, rest, _ := strings.Cut(string(text), "_all_property_types = [")
	list, rest, _ := strings.Cut(rest, "\n]")
	_, rest, _ = strings.Cut(rest, "_exceptions = {")
	table, _, found := strings.Cut(rest, "\n}")
	if !found {
		return attributes{}, fmt.Errorf("%s: not the layout we know", file)
	}
	out := attributes{more: map[string][]string{}}
	for _, match := range quoted.FindAllStringSubmatch(list, -1) {
		out.all = append(out.all, match[1])
	}
	for _, match := range exception.FindAllStringSubmatch(table, -1) {
		for _, name := range quoted.FindAllStringSubmatch(match[2], -1) {
			out.more[match[1]] = append(out.more[match[1]], name[1])
		}
	}
	return out, nil
}

// registry is the part of a registry schema that is not a definition.
type registry struct {
	PrimaryIdentifier     []string                   `json:"primaryIdentifier"`
	CreateOnly            []string                   `json:"createOnlyProperties"`
	ConditionalCreateOnly []string                   `json:"conditionalCreateOnlyProperties"`
	ReadOnly              []string                   `json:"readOnlyProperties"`
	WriteOnly             []string                   `json:"writeOnlyProperties"`
	Deprecated            []string                   `json:"deprecatedProperties"`
	Definitions           map[string]json.RawMessage `json:"definitions"`
	ReplacementStrategy   string                     `json:"replacementStrategy"`
	Tagging               struct {
		Property string `json:"tagProperty"`
	} `json:"tagging"`
}

func readType(name, file string) (*schema.Type, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r registry
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	root, err := definition(text)
	if err != nil {
		return nil, err
	}
	root.Types = ""
	t := &schema.Type{
		Name: name, Root: *root, PrimaryIdentifier: paths(r.PrimaryIdentifier), CreateOnly: paths(r.CreateOnly),
		ConditionalCreateOnly: paths(r.ConditionalCreateOnly), ReadOnly: paths(r.ReadOnly), WriteOnly: paths(r.WriteOnly),
		Deprecated: paths(r.Deprecated), TagProperty: path(r.Tagging.Property), DeleteFirst: r.ReplacementStrategy == "delete_then_create",
		Definitions: map[string]*schema.Definition{},
	}
	for name, raw := range r.Definitions {
		if t.Definitions[name], err = definition(raw); err != nil {
			return nil, fmt.Errorf("definition %s: %w", name, err)
		}
	}
	dropUnused(t)
	return t, nil
}

func paths(pointers []string) []string {
	var out []string
	for _, pointer := range pointers {
		out = append(out, path(pointer))
	}
	return out
}

// path turns "/properties/A/items/properties/B" and "/properties/A/*/B" into "/A/*/B".
func path(pointer string) string {
	pointer = strings.TrimPrefix(strings.TrimPrefix(pointer, "/"), "properties/")
	pointer = strings.NewReplacer("/items/properties/", "/*/", "/properties/", "/").Replace(pointer)
	if pointer == "" {
		return ""
	}
	return "/" + pointer
}
