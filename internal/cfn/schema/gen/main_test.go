package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/cfn/schema"
)

func TestPath(t *testing.T) {
	t.Parallel()
	for pointer, want := range map[string]string{
		"/properties/Name": "/Name", "/properties/A/B": "/A/B", "/properties/A/properties/B": "/A/B",
		"/properties/A/*/B": "/A/*/B", "/properties/A/items/properties/B": "/A/*/B", "properties/A": "/A", "": "",
	} {
		if got := path(pointer); got != want {
			t.Errorf("%s: %s", pointer, got)
		}
	}
}

func TestReadType(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "type.json")
	text := `{
		"typeName": "A::B::C", "additionalProperties": false, "required": ["Name"],
		"createOnlyProperties": ["/properties/Name"], "readOnlyProperties": ["/properties/Arn"], "primaryIdentifier": ["/properties/Arn"],
		"replacementStrategy": "delete_then_create", "tagging": {"tagProperty": "/properties/Tags"},
		"properties": {
			"Name": {"type": "string", "maxLength": 10, "pattern": "^a"},
			"Arn": {"type": "string", "anyOf": [{"format": "x"}, {"format": "y"}]},
			"Size": {"type": ["integer", "string"], "enum": [1, 2.5, "big"]},
			"Tags": {"type": "array", "items": {"$ref": "#/definitions/Tag"}, "insertionOrder": false},
			"Extra": {"type": "object", "additionalProperties": {"type": "string"}}
		},
		"requiredXor": ["Size", "Extra"],
		"definitions": {
			"Tag": {"type": "object", "additionalProperties": false, "properties": {"Key": {"type": "string"}}},
			"Unused": {"type": "string"}
		}
	}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readType("A::B::C", file)
	if err != nil {
		t.Fatal(err)
	}
	want := &schema.Type{
		Name: "A::B::C", CreateOnly: []string{"/Name"}, ReadOnly: []string{"/Arn"}, PrimaryIdentifier: []string{"/Arn"}, TagProperty: "/Tags", DeleteFirst: true,
		Root: schema.Definition{
			Required: []string{"Name"}, Exactly: [][]string{{"Size", "Extra"}},
			Properties: map[string]*schema.Definition{
				"Name":  {Types: "s", MaxLength: new(10), Pattern: "^a"},
				"Arn":   {Types: "s"},
				"Size":  {Types: "is", Enum: []string{"1", "2.5", "big"}},
				"Tags":  {Types: "a", Items: &schema.Definition{Ref: "Tag"}, Unordered: true},
				"Extra": {Types: "o", Open: true, Additional: &schema.Definition{Types: "s"}},
			},
		},
		Definitions: map[string]*schema.Definition{"Tag": {Types: "o", Properties: map[string]*schema.Definition{"Key": {Types: "s"}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
