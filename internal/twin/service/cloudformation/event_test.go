package cloudformation_test

import (
	"fmt"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/cloudformation"
)

// Programs that follow a stack tell events apart by their id; here several of one resource fall into a millisecond.
func TestEveryEventHasAnIdOfItsOwn(t *testing.T) {
	t.Parallel()
	w := start(t)
	var template strings.Builder
	template.WriteString("Resources:\n")
	for i := range 50 {
		fmt.Fprintf(&template, "  R%d: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}\n", i)
	}
	if _, err := w.cfn.CreateStack(w.Context, &api.CreateStackInput{StackName: "events", TemplateBody: new(template.String())}); err != nil {
		t.Fatal(err)
	}
	w.ends(t, "events", "CREATE_COMPLETE")
	seen := map[string]bool{}
	in := &api.DescribeStackEventsInput{StackName: "events"}
	for {
		out, err := w.cfn.DescribeStackEvents(w.Context, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.StackEvents {
			if seen[e.EventId] {
				t.Errorf("twice: %s", e.EventId)
			}
			seen[e.EventId] = true
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(seen) < 102 {
		t.Errorf("%d events of 51 creations", len(seen))
	}
}
