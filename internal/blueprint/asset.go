package blueprint

import (
	"embed"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed templates
var templates embed.FS

// loadAsset reads an embedded template, by file name without .yml.
func loadAsset(name string) (*yaml.Node, error) {
	source, err := templates.ReadFile("templates/" + name + ".yml")
	if err != nil {
		return nil, fmt.Errorf("embedded template %s: %w", name, err)
	}
	root, err := parseTree(source)
	if err != nil {
		return nil, fmt.Errorf("embedded template %s: %w", name, err)
	}
	return root, nil
}

// dataLossPolicy refuses updates that would replace or delete what holds data.
func dataLossPolicy() (string, error) {
	source, err := templates.ReadFile("templates/stack-policy.json")
	if err != nil {
		return "", fmt.Errorf("embedded stack policy: %w", err)
	}
	return string(source), nil
}
