package cfn

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const parameterTemplate = `
Parameters:
  Size: {Type: String, AllowedValues: [small, large], Default: small}
  Port: {Type: Number, MinValue: 1, MaxValue: 65535, Default: 80}
  Name: {Type: String, MinLength: 2, MaxLength: 4, AllowedPattern: "[a-z]*", Default: abc}
  Ports: {Type: List<Number>, Default: "1, 2"}
  Secret: {Type: String, NoEcho: true, Default: hush, AllowedPattern: "[a-z]+", ConstraintDescription: lower case letters only.}
  Image: {Type: "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", Default: /ami}
  Images: {Type: "AWS::SSM::Parameter::Value<List<String>>", Default: /amis}
  Subnets: {Type: "List<AWS::EC2::Subnet::Id>", Default: "subnet-1,subnet-2"}
Resources: {A: {Type: T}}
`

func ssmStore(name string) (string, error) {
	values := map[string]string{"/ami": "ami-1", "/amis": "ami-1,ami-2"}
	if value, ok := values[name]; ok {
		return value, nil
	}
	return "", errors.New("ParameterNotFound")
}

func TestResolveParameters(t *testing.T) {
	t.Parallel()
	template := parse(t, parameterTemplate)
	got, err := template.ResolveParameters(map[string]string{"Port": "8080"}, map[string]string{"Size": "large", "Gone": "x"}, ssmStore)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for name, value := range got {
		values[name] = value.Value
	}
	want := map[string]any{
		"Size": "large", "Port": "8080", "Name": "abc", "Ports": []any{"1", "2"}, "Secret": "hush", "Image": "ami-1",
		"Images": []any{"ami-1", "ami-2"}, "Subnets": []any{"subnet-1", "subnet-2"},
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
	if got["Secret"].Shown() != Masked {
		t.Errorf("a NoEcho parameter shows %q", got["Secret"].Shown())
	}
	if v := got["Images"]; v.Shown() != "/amis" || v.Resolved() != "ami-1,ami-2" {
		t.Errorf("an SSM parameter shows %q, resolved %q", v.Shown(), v.Resolved())
	}
	if !got["Size"].FromPrevious || !got["Name"].FromDefault || got["Port"].FromDefault {
		t.Error("the origin of a value is wrong")
	}
}

func TestResolveParametersFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, want string }{
		{"Size", "medium", "Parameter 'Size' must be one of AllowedValues"},
		{"Port", "http", "Parameter 'Port' must be a number"},
		{"Port", "0", "Parameter 'Port' must be a number not less than 1"},
		{"Port", "65536", "Parameter 'Port' must be a number not greater than 65535"},
		{"Ports", "1,x", "Parameter 'Ports' must be a number"},
		{"Name", "a", "Parameter 'Name' must contain at least 2 characters"},
		{"Name", "abcde", "Parameter 'Name' must contain at most 4 characters"},
		{"Name", "a1", "Parameter 'Name' must match pattern [a-z]*"},
		{"Secret", "UPPER", "Parameter Secret failed to satisfy constraint: lower case letters only."},
		{"Image", "/nope", "Unable to fetch parameters [/nope] from parameter store for this account: ParameterNotFound"},
		{"Subnets", "a,,b", "Parameter validation failed: parameter value  for parameter name Subnets does not exist"},
		{"Sizes", "x", "Parameters: [Sizes] do not exist in the template"},
	}
	for _, test := range tests {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, parameterTemplate).ResolveParameters(map[string]string{test.name: test.value}, nil, ssmStore)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := Message(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	_, err := parse(t, "Parameters: {A: {Type: String}, B: {Type: Number}}\nResources: {R: {Type: T}}").ResolveParameters(nil, nil, nil)
	if err == nil || Message(err) != "Parameters: [A, B] must have values" {
		t.Errorf("got %v", err)
	}
}
