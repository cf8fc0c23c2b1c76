package blueprint

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// mergeText merges YAML texts.
func mergeText(t *testing.T, template, override string) (string, error) {
	t.Helper()
	root, err := parseTree([]byte(template))
	if err != nil {
		t.Fatal(err)
	}
	patch, err := parseTree([]byte(override))
	if err != nil {
		t.Fatal(err)
	}
	m := merger{file: "mu.yml"}
	m.merge(root, patch)
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		t.Fatal(err)
	}
	return out.String(), errors.Join(m.faults...)
}

// TestMerge has the rows of mu's table in its order, then what mu got wrong.
func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, template, override, want string }{
		{"splice inserts", "A: [1, 2, 3]", "A: {Fn::Splice: [1, 0, [x]]}", "A: [1, x, 2, 3]"},
		{"splice deletes", "A: [1, 2, 3, 4]", "A: {Fn::Splice: [1, 2, []]}", "A: [1, 4]"},
		{"splice merges into an element", "A: [{x: 1}, {y: 2}, {w: 3}]", "A: {Fn::Splice: [1, 1, [{z: 9}]]}", "A: [{x: 1}, {y: 2, z: 9}, {w: 3}]"},
		{"splice merges one and inserts the rest", "A: [{x: 1}, b]", "A: {Fn::Splice: [0, 1, [{z: 9}, n]]}", "A: [{x: 1, z: 9}, n, b]"},
		{"splice merges one and deletes the rest", "A: [a, b, c]", "A: {Fn::Splice: [0, 2, [n]]}", "A: [n, c]"},
		{"splice beyond the end appends", "A: [1]", "A: {Fn::Splice: [9, 5, [x]]}", "A: [1, x]"},
		{"splice on nothing", "B: 1", "A: {Fn::Splice: [4, 2, [x, y]]}", "B: 1\nA: [x, y]"},
		{"splice on null", "A:", "A: {Fn::Splice: [4, 2, [x, y]]}", "A: [x, y]"},
		{"splice of a list element appends to it", "A: [[1]]", "A: {Fn::Splice: [0, 1, [[2]]]}", "A: [[1, 2]]"},
		{"replace", "A: {x: 1}", "A: {Fn::Replace: [1], ignored: 2}", "A: [1]"},
		{"replace nothing", "B: 1", "A: {Fn::Replace: {y: 2}}", "B: 1\nA: {y: 2}"},
		{"list after list", "A: [1, 2]", "A: [2, 3]", "A: [1, 2, 2, 3]"},
		{"list on nothing", "B: 1", "A: [2]", "B: 1\nA: [2]"},
		{"list on null", "A:", "A: [2]", "A: [2]"},
		{"mapping into mapping", "A: {x: {y: 1}, z: 2}", "A: {x: {w: 3}, v: 4}", "A: {x: {y: 1, w: 3}, z: 2, v: 4}"},
		{"mapping on nothing", "B: 1", "A: {x: 1}", "B: 1\nA: {x: 1}"},
		{"mapping on null", "A:", "A: {x: 1}", "A: {x: 1}"},
		{"scalar over scalar", "A: 1", "A: 2", "A: 2"},
		{"scalar over list", "A: [1]", "A: 2", "A: 2"},
		{"scalar over mapping", "A: {x: 1}", "A: 2", "A: 2"},
		{"scalar on nothing", "B: 1", "A: 2", "B: 1\nA: 2"},
		{"null removes", "A: {x: 1}\nB: 2", "A: null", "B: 2"},
		{"null on nothing", "B: 2", "A: ~", "B: 2"},

		{"splice under a missing key", "B: 1", "A: {x: {y: {Fn::Splice: [0, 0, [z]]}}}", "B: 1\nA: {x: {y: [z]}}"},
		{"replace under a missing key", "B: 1", "A: {x: {Fn::Replace: {y: 1}}}", "B: 1\nA: {x: {y: 1}}"},
		{"replace in a splice item", "A: [{x: 1}]", "A: {Fn::Splice: [0, 1, [{Fn::Replace: {y: 2}}]]}", "A: [{y: 2}]"},
		{"replace in an appended item", "A: [1]", "A: [{Fn::Replace: 2}]", "A: [1, 2]"},
		{"null under a missing key", "B: 1", "A: {x: null, y: 1}", "B: 1\nA: {y: 1}"},
		{"null of a splice removes the element", "A: [1, 2]", "A: {Fn::Splice: [0, 1, [null]]}", "A: [2]"},
		{"splice inside a replacement", "A: [1]", "A: {Fn::Replace: {x: {Fn::Splice: [0, 0, [y]]}}}", "A: {x: [y]}"},

		{"short tag stays", "A: x", "A: !Ref B", "A: !Ref B"},
		{"short tag on nothing", "B: 1", "A: {x: !Sub 'a-${B}'}", "B: 1\nA: {x: !Sub 'a-${B}'}"},
		{"nested short tags", "B: 1", "A: !If [C, !Ref B, !GetAtt D.Arn]", "B: 1\nA: !If [C, !Ref B, !GetAtt D.Arn]"},
		{"short over long", "A: {Ref: X}", "A: !Ref Y", "A: !Ref Y"},
		{"long over short", "A: !Ref X", "A: {Ref: Y}", "A: {Ref: Y}"},
		{"another function", "A: !Ref X", "A: !Sub 'a-${X}'", "A: !Sub 'a-${X}'"},
		{"scalar over a call", "A: !Ref X", "A: plain", "A: plain"},
		{"a call of fixed arguments is replaced", "A: !If [C, 1, 2]", "A: !If [D, 3, 4]", "A: !If [D, 3, 4]"},
		{"conditions are added", "A: !And [!Condition X, !Condition Y]", "A: !And [!Condition Z]", "A:\n  Fn::And: [!Condition X, !Condition Y, !Condition Z]"},
		{"splice inside a call", "A: !If [C, [1, 2], !Ref AWS::NoValue]", "A: {Fn::If: {Fn::Splice: [1, 1, [[3]]]}}", "A:\n  Fn::If: [C, [1, 2, 3], !Ref 'AWS::NoValue']"},
		{"a resource's condition is no call", "R: {Type: T}", "R: {Condition: C}", "R: {Type: T, Condition: C}"},
		{"a loop is a key of its section", "Resources: {A: {Type: T}}", "Resources: {Fn::ForEach::Loop: [I, [x], {}]}", "Resources: {A: {Type: T}, 'Fn::ForEach::Loop': [I, [x], {}]}"},
		{"a transform joins a mapping", "A: {x: 1}", "A: {Fn::Transform: {Name: N}}", "A: {x: 1, 'Fn::Transform': {Name: N}}"},
		{"the template's tags stay", "A: !Cidr [!Ref B, 2, 8]\nC: {x: 1}", "C: {x: 2}", "A: !Cidr [!Ref B, 2, 8]\nC: {x: 2}"},
		{"words of YAML 1.1 stay", "A: 'yes'\nB: off\nC: {x: 1}", "C: {x: 2}", "A: 'yes'\nB: off\nC: {x: 2}"},
		{"comments and order stay",
			"# head\nB: 1 # beside\n# of A\nA:\n  # of x\n  x: 1\n  y: 2\n", "A: {y: 3, z: 4}\nB: 2",
			"# head\nB: 2 # beside\n# of A\nA:\n  # of x\n  x: 1\n  y: 3\n  z: 4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mergeText(t, test.template, test.override)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want+"\n", got); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMergeErrors has the overrides that cannot be merged. The template is
// left alone where they stand.
func TestMergeErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, template, override, want string }{
		{"list over scalar", "A: {b: 1}", "A: {b: [2]}", `mu.yml:1:8: A.b: a list cannot be merged into the value "1" (use Fn::Replace to put the list in its place)`},
		{"list over mapping", "A: {x: 1}", "A: [2]", "mu.yml:1:4: A: a list cannot be merged into a mapping (use Fn::Replace to put the list in its place)"},
		{"list over call", "A: !Ref X", "A: [2]", "mu.yml:1:4: A: a list cannot be merged into Ref (use Fn::Replace to put the list in its place)"},
		{"mapping over scalar", "A: 1", "\nA: {x: 1}", `mu.yml:2:4: A: a mapping cannot be merged into the value "1" (use Fn::Replace to put the mapping in its place)`},
		{"mapping over list", "A: [1]", "A: {x: 1}", "mu.yml:1:4: A: a mapping cannot be merged into a list (use Fn::Replace to put the mapping in its place)"},
		{"mapping over call", "A: !If [C, 1, 2]", "A: {x: 1, y: 2}", "mu.yml:1:4: A: a mapping cannot be merged into Fn::If (use Fn::Replace to put the mapping in its place)"},
		{"call over mapping", "A: {x: 1}", "A: !If [C, 1, 2]", "mu.yml:1:4: A: Fn::If cannot be merged into a mapping (use Fn::Replace to put it in its place)"},
		{"call over list", "A: [1]", "A: !Ref X", "mu.yml:1:4: A: Ref cannot be merged into a list (use Fn::Replace to put it in its place)"},
		{"splice of two", "A: [1]", "A: {Fn::Splice: [1, 0]}", "mu.yml:1:4: A: Fn::Splice takes a start, a count and a list of items (as in Fn::Splice: [1, 0, [item]])"},
		{"splice from below nothing", "A: [1]", "A: {Fn::Splice: [-1, 0, []]}", "mu.yml:1:4: A: start and count of Fn::Splice are numbers from 0"},
		{"splice on scalar", "A: 1", "A: {Fn::Splice: [0, 0, [x]]}", `mu.yml:1:4: A: Fn::Splice changes a list, and there is the value "1"`},
		{"splice on mapping", "A: {x: 1}", "A: {Fn::Splice: [0, 0, [x]]}", "mu.yml:1:4: A: Fn::Splice changes a list, and there is a mapping"},
		{"bad splice under a missing key", "B: 1", "A: {Fn::Splice: x}", "mu.yml:1:4: A: Fn::Splice takes a start, a count and a list of items (as in Fn::Splice: [1, 0, [item]])"},
		{"replace by null", "A: [1]", "A: {Fn::Replace: null}", "mu.yml:1:4: A: Fn::Replace needs a value (to remove a key, set it to null)"},
		{"replace nothing by null", "B: [1]", "A: {Fn::Replace: null}", "mu.yml:1:4: A: Fn::Replace needs a value (to remove a key, set it to null)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := mergeText(t, test.template, test.override)
			if err == nil || err.Error() != test.want {
				t.Errorf("error\n%v\nwant\n%s", err, test.want)
			}
		})
	}
	m := merger{file: "mu.yml"}
	m.merge(mapping(), sequence())
	if len(m.faults) != 1 {
		t.Errorf("an override that is a list: %v", m.faults)
	}
}

// FuzzMerge merges any override into a template of ours: it must not panic,
// and where it finds no fault the result is YAML with a mapping as its root.
func FuzzMerge(f *testing.F) {
	f.Add("Resources: {EcsService: {Properties: {DesiredCount: 3}}}")
	f.Add("Resources: {MicroserviceTaskDefinition: {Properties: {ContainerDefinitions: {Fn::Splice: [0, 1, [{Cpu: !Ref X}]]}}}}")
	f.Add("Conditions: {HasTargetGroup: !Or [!Condition X]}")
	f.Add("Outputs: null\nParameters: {Fn::Replace: {}}")
	f.Fuzz(func(t *testing.T, override string) {
		patch, err := parseTree([]byte(override))
		if err != nil || !plain(patch) {
			t.Skip()
		}
		root, err := loadAsset("service")
		if err != nil {
			t.Fatal(err)
		}
		m := merger{file: "mu.yml"}
		m.merge(root, patch)
		if len(m.faults) > 0 {
			return
		}
		out, err := encode(root)
		if err != nil {
			t.Fatal(err)
		}
		var again yaml.Node
		if err := yaml.Unmarshal(out, &again); err != nil {
			t.Fatalf("merged template is not YAML: %v\n%s", err, out)
		}
	})
}

// plain reports that a tree has what a manifest's patch can have: no aliases,
// which the loader resolves, no merge keys, no binary.
func plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "", n.Tag == "!!merge", n.Tag == "!!binary":
		return false
	}
	for _, child := range n.Content {
		if !plain(child) {
			return false
		}
	}
	return true
}
