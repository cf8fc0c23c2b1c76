package blueprint_test

import (
	"errors"
	"strings"
	"testing"

	"slipway.dev/internal/blueprint"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, source, want string }{
		{"as it is", base, ""},
		{"on instances", ecsBase, ""},
		{"value out of bounds", base + "parameters: {mu-service-hello-dev: {StopTimeout: 500}}\n", "StopTimeout"},
		{"value not allowed", base + "parameters: {mu-service-hello-dev: {LogRetentionInDays: 31}}\n", "LogRetentionInDays"},
		{"no value", base + "templates: {mu-service-.*: {Parameters: {New: {Type: String}}}}\n", "New"},
		{"dangling reference", base + "templates: {mu-repo-hello: {Outputs: {X: {Value: !Ref Nowhere}}}}\n", "Nowhere"},
		{"unknown property", base + "templates: {mu-repo-hello: {Resources: {EcsRepo: {Properties: {Colour: blue}}}}}\n", "Colour"},
		{"resource without a type", base + "templates: {mu-repo-hello: {Resources: {New: {Properties: {}}}}}\n", "New"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var faults []error
			for _, s := range render(t, test.source, blueprint.Facts{}) {
				faults = append(faults, s.Check())
			}
			err := errors.Join(faults...)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one about %s", err, test.want)
			case err != nil:
				t.Log(err)
			}
		})
	}
}
