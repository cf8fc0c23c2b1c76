package blueprint

import (
	"strings"
	"testing"
)

func TestRoleName(t *testing.T) {
	t.Parallel()
	if got := roleName("mu", "service", "hello", "dev", "task"); got != "mu-service-hello-dev-task" {
		t.Errorf("a name that fits became %s", got)
	}
	long := strings.Repeat("x", 40)
	one := roleName("mu", "service", long, "dev", "task")
	if again := roleName("mu", "service", long, "dev", "task"); again != one {
		t.Errorf("two names for one role: %s and %s", one, again)
	}
	if other := roleName("mu", "service", long, "dev", "execution"); other == one {
		t.Errorf("one name for two roles: %s", one)
	}
	if full := one + "-ap-southeast-1"; len(full) > 64 {
		t.Errorf("%s has %d characters, 64 are allowed", full, len(full))
	}
	for _, namespace := range []string{"mu", strings.Repeat("n", 63)} {
		if name := roleName(namespace, "environment", long, "instance"); !strings.HasPrefix(name, rolePrefix(namespace)) {
			t.Errorf("%s does not begin with %s, which is what may be passed", name, rolePrefix(namespace))
		}
	}
}

func TestRepositoryARN(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":           "",
		"nginx:1.29": "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/a/b:1":             "arn:aws:ecr:eu-west-1:123456789012:repository/a/b",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/a@sha256:0":        "arn:aws:ecr:eu-west-1:123456789012:repository/a",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a":             "arn:aws-cn:ecr:cn-north-1:123456789012:repository/a",
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/a:latest": "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/a",
	}
	for image, want := range tests {
		if got := repositoryARN(image); got != want {
			t.Errorf("repositoryARN(%q) = %q, want %q", image, got, want)
		}
	}
}

func TestLatestImage(t *testing.T) {
	t.Parallel()
	for instanceType, arm := range map[string]bool{
		"t3.micro": false, "m7i-flex.large": false, "g4dn.xlarge": false, "p4de.24xlarge": false, "u-6tb1.metal": false,
		"a1.large": true, "t4g.micro": true, "m6gd.large": true, "c6gn.large": true, "im4gn.large": true, "g5g.xlarge": true, "x2gd.large": true,
	} {
		if got := strings.Contains(latestImage(instanceType), "/arm64/"); got != arm {
			t.Errorf("%s: arm64 image %t, want %t", instanceType, got, arm)
		}
	}
}
