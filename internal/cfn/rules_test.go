package cfn

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRules(t *testing.T) {
	t.Parallel()
	const head = `
Parameters:
  Env: {Type: String, Default: prod}
  Size: {Type: String, Default: small}
  Vpc: {Type: "AWS::EC2::VPC::Id", Default: vpc-1}
  Other: {Type: "AWS::EC2::VPC::Id", Default: vpc-2}
  Subnets: {Type: "List<AWS::EC2::Subnet::Id>", Default: "subnet-1,subnet-2"}
Resources: {A: {Type: T}}
Rules:
  R:
    RuleCondition: !Equals [!Ref Env, prod]
    Assertions: [{AssertDescription: "no", Assert: %}]
`
	tests := []struct {
		assert string
		holds  bool
	}{
		{`!Contains [[small, large], !Ref Size]`, true},
		{`!Contains [[large], !Ref Size]`, false},
		{`{"Fn::EachMemberEquals": [[vpc-1, vpc-1], !Ref Vpc]}`, true},
		{`!EachMemberEquals [!RefAll "AWS::EC2::VPC::Id", vpc-1]`, false},
		{`!EachMemberIn [!RefAll "AWS::EC2::VPC::Id", [vpc-1, vpc-2, vpc-3]]`, true},
		{`!EachMemberIn [!Ref Subnets, [subnet-1]]`, false},
		{`!EachMemberEquals [!ValueOf [Subnets, VpcId], !Ref Vpc]`, true},
		{`!Equals [!ValueOf [Vpc, Tags.Name], "vpc-1 Tags.Name"]`, true},
		{`!Contains [!ValueOfAll ["AWS::EC2::VPC::Id", Tags.Name], "vpc-2 Tags.Name"]`, true},
		{`!Not [!Or [!Equals [a, b], !And [!Equals [a, a], !Contains [[a], a]]]]`, false},
	}
	for _, test := range tests {
		t.Run(test.assert, func(t *testing.T) {
			t.Parallel()
			template := parse(t, strings.Replace(head, "%", test.assert, 1))
			if err := template.Validate(); err != nil {
				t.Fatal(err)
			}
			e := evaluatorBare(t, template)
			e.ParameterAttribute = func(typ, value, attribute string) (string, error) {
				if typ == "AWS::EC2::Subnet::Id" {
					return "vpc-1", nil
				}
				return value + " " + attribute, nil
			}
			err := e.CheckRules()
			if test.holds != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if err != nil && Message(err) != "Template validation error: Rule R: no" {
				t.Errorf("got %v", err)
			}
			value := e.Parameters["Env"]
			value.Value = "dev"
			e.Parameters["Env"] = value
			if err := e.CheckRules(); err != nil {
				t.Errorf("a rule whose condition does not hold: %v", err)
			}
		})
	}
}

func TestDynamicReferences(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:secretsmanager:eu-west-1:012345678901:secret:db-AbCdEf"
	tests := []struct {
		text string
		want DynamicReference
	}{
		{"{{resolve:ssm:/app/port}}", DynamicReference{Service: "ssm", Name: "/app/port"}},
		{"{{resolve:ssm:port:2}}", DynamicReference{Service: "ssm", Name: "port", Version: "2"}},
		{"{{resolve:ssm-secure:password:1}}", DynamicReference{Service: "ssm-secure", Name: "password", Version: "1"}},
		{"{{resolve:secretsmanager:db}}", DynamicReference{Service: "secretsmanager", SecretID: "db"}},
		{"{{resolve:secretsmanager:db:SecretString:user:AWSPREVIOUS:}}", DynamicReference{Service: "secretsmanager", SecretID: "db", JSONKey: "user", VersionStage: "AWSPREVIOUS"}},
		{"{{resolve:secretsmanager:" + arn + ":SecretString:user::v1}}", DynamicReference{Service: "secretsmanager", SecretID: arn, JSONKey: "user", VersionID: "v1"}},
	}
	for _, test := range tests {
		got, err := ParseDynamicReference(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
		got.Reference = ""
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.text, diff)
		}
	}
	for _, bad := range []string{"", "{{resolve:s3:x}}", "{{resolve:secretsmanager:db:Binary:x}}", "x {{resolve:ssm:a}}"} {
		if _, err := ParseDynamicReference(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	e := &Evaluator{Dynamic: func(ref DynamicReference) (string, error) { return "<" + ref.Name + ">", nil }}
	got, err := e.ResolveDynamic(map[string]any{"a": []any{"x{{resolve:ssm:a}}y{{resolve:ssm:b:1}}", 1}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": []any{"x<a>y<b>", 1}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	err := parse(t, "Resources: {A: {Type: T, Properties: {X: !Ref One, Y: !Ref Two, Z: !Ref One}}}").Validate()
	want := "Template format error: Unresolved resource dependencies [One, Two] in the Resources block of the template"
	if got := Message(err); got != want {
		t.Errorf("got %s", got)
	}
}
