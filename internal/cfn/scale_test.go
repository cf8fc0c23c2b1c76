package cfn

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// large is a template of so many queues, each referring to the one before.
func large(resources int) []byte {
	var b strings.Builder
	b.WriteString("Conditions: {On: !Equals [a, a]}\nResources:\n  Q0: {Type: AWS::SQS::Queue}\n")
	for i := 1; i < resources; i++ {
		fmt.Fprintf(&b, "  Q%d:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Sub \"${AWS::StackName}-%d\"\n", i, i)
		fmt.Fprintf(&b, "      RedrivePolicy: !If [On, {deadLetterTargetArn: !GetAtt Q%d.Arn, maxReceiveCount: 3}, !Ref AWS::NoValue]\n", i-1)
	}
	return []byte(b.String())
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if err := parse(t, string(large(MostResources))).Validate(); err != nil {
		t.Errorf("%d resources: %v", MostResources, err)
	}
	err := parse(t, string(large(MostResources+1))).Validate()
	if err == nil || Message(err) != "Template format error: Number of resources, 501, is greater than maximum allowed, 500" {
		t.Errorf("got %v", err)
	}
}

// Resources are created at the same time: so are their properties resolved.
func TestResolveConcurrently(t *testing.T) {
	t.Parallel()
	template := parse(t, string(large(40)))
	e := evaluatorFor(t, template)
	var group sync.WaitGroup
	for _, r := range template.Resources {
		group.Go(func() {
			if _, err := e.ResolveProperties(r); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func BenchmarkValidate200(b *testing.B) {
	src := large(200)
	for b.Loop() {
		template, err := Parse("t.yml", src)
		if err != nil {
			b.Fatal(err)
		}
		if err := template.Validate(); err != nil {
			b.Fatal(err)
		}
		if err := template.ValidateTypes(); err != nil {
			b.Fatal(err)
		}
	}
}
