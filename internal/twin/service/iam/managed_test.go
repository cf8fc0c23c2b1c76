package iam

import (
	"strings"
	"testing"

	"slipway.dev/internal/twin/service/iam/policy"
)

func TestAWSManagedPoliciesAreValid(t *testing.T) {
	t.Parallel()
	all, err := awsManaged()
	if err != nil {
		t.Fatal(err)
	}
	for arn, p := range all {
		if _, err := policy.Parse(p.Versions[0].Document, policy.Identity); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if !strings.HasSuffix(arn, p.Path+p.Name) || len(p.ID) != 21 {
			t.Errorf("%s: %+v", arn, p)
		}
	}
	for _, name := range []string{"service-role/AmazonECSTaskExecutionRolePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonSSMManagedInstanceCore",
		"CloudWatchAgentServerPolicy", "service-role/AmazonEC2ContainerServiceforEC2Role", "AdministratorAccess", "ReadOnlyAccess", "PowerUserAccess"} {
		if _, ok := all[awsPolicy+name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	for service, of := range linked {
		if _, ok := all[awsPolicy+"aws-service-role/"+of.policy]; !ok {
			t.Errorf("%s: no %s", service, of.policy)
		}
	}
}
