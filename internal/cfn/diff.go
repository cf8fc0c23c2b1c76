package cfn

import (
	"strconv"
	"strings"

	"slipway.dev/internal/cfn/schema"
)

// ChangeKind is what a change set calls the type of a property's change.
type ChangeKind string

// The kinds of property change.
const (
	Add    ChangeKind = "Add"
	Remove ChangeKind = "Remove"
	Modify ChangeKind = "Modify"
)

// PropertyChange is one difference between two sets of resolved properties.
type PropertyChange struct {
	Path          string // "/Tags/0/Value": a JSON pointer, as in a change set's details
	Property      string // the top-level property
	Kind          ChangeKind
	Before, After any // nil on the side that has none
}

// DiffProperties compares resolved properties and returns the differences in
// order of their paths. Scalars compare by their text, as CloudFormation does
// ("80" equals 80); an Unknown differs from everything.
func DiffProperties(before, after map[string]any) []PropertyChange {
	var changes []PropertyChange
	diffObject("", before, after, &changes)
	return changes
}

func diffObject(path string, before, after map[string]any, changes *[]PropertyChange) {
	keys := map[string]bool{}
	for key := range before {
		keys[key] = true
	}
	for key := range after {
		keys[key] = true
	}
	for _, key := range sortedKeys(keys) {
		old, had := before[key]
		value, has := after[key]
		diffMember(path+"/"+pointerEscape(key), old, value, had, has, changes)
	}
}

func diffMember(path string, old, value any, had, has bool, changes *[]PropertyChange) {
	switch {
	case !had:
		*changes = append(*changes, newChange(path, Add, nil, value))
	case !has:
		*changes = append(*changes, newChange(path, Remove, old, nil))
	default:
		diffValue(path, old, value, changes)
	}
}

func diffValue(path string, before, after any, changes *[]PropertyChange) {
	switch old := before.(type) {
	case map[string]any:
		if now, ok := after.(map[string]any); ok {
			diffObject(path, old, now, changes)
			return
		}
	case []any:
		if now, ok := after.([]any); ok {
			diffList(path, old, now, changes)
			return
		}
	}
	if !schema.Same(before, after) {
		*changes = append(*changes, newChange(path, Modify, before, after))
	}
}

func diffList(path string, before, after []any, changes *[]PropertyChange) {
	for i := range max(len(before), len(after)) {
		var old, now any
		had, has := i < len(before), i < len(after)
		if had {
			old = before[i]
		}
		if has {
			now = after[i]
		}
		diffMember(path+"/"+strconv.Itoa(i), old, now, had, has, changes)
	}
}

func newChange(path string, kind ChangeKind, before, after any) PropertyChange {
	property, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return PropertyChange{Path: path, Property: pointerUnescape(property), Kind: kind, Before: before, After: after}
}

// pointerEscape follows RFC 6901.
func pointerEscape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

func pointerUnescape(key string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
}
