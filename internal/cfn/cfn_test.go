package cfn

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, src string) *Template {
	t.Helper()
	template, err := Parse("t.yml", []byte(src))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return template
}

// expression parses a YAML expression by making it a property.
func expression(t *testing.T, src, rest string) (*Template, *Node) {
	t.Helper()
	template := parse(t, "Resources: {A: {Type: T, Metadata: {E: "+src+"}}, B: {Type: T}}\n"+rest)
	return template, template.Resource("A").Metadata.Get("E")
}

const functionContext = `
Parameters: {Name: {Type: String, Default: web}, Zones: {Type: CommaDelimitedList, Default: "a, b,c"}, Count: {Type: Number, Default: "3"}}
Conditions: {Yes: !Equals [a, a], No: !Not [{Condition: Yes}]}
Mappings:
  RegionMap:
    us-east-1: {HVM64: ami-0ff8a91507f77f867, List: [x, y]}
    us-west-1: {HVM64: ami-0bdb828fd58c52235}
`

func evaluatorFor(t *testing.T, template *Template) *Evaluator {
	t.Helper()
	parameters, err := template.ResolveParameters(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &Evaluator{
		Template:   template,
		Parameters: parameters,
		Pseudo:     Pseudo{AccountID: "012345678901", Region: "us-east-1", StackName: "s", StackID: "arn:s", NotificationARNs: []string{"arn:n"}},
		Ref: func(id string) (any, error) {
			if id == "B" {
				return "b-physical", nil
			}
			return Unknown{}, nil
		},
		GetAtt: func(id, attribute string) (any, error) {
			if attribute == "Missing" {
				return nil, errors.New("no attribute Missing")
			}
			if attribute == "Names" {
				return []any{"n1", "n2"}, nil
			}
			if id == "A" {
				return Unknown{}, nil
			}
			return id + "/" + attribute, nil
		},
		Import: func(name string) (string, error) { return "import:" + name, nil },
		StackOutput: func(ref StackOutputRef) (string, error) {
			return ref.StackName + "/" + ref.OutputName + "/" + ref.Region + "/" + ref.RoleARN, nil
		},
		AZs: func(region string) ([]string, error) {
			return []string{region + "a", region + "b"}, nil
		},
	}
	if _, err := e.Conditions(); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	tests := []struct{ expr, want string }{
		{`!Base64 AWS CloudFormation`, `"QVdTIENsb3VkRm9ybWF0aW9u"`},
		{`{"Fn::Base64": "AWS CloudFormation"}`, `"QVdTIENsb3VkRm9ybWF0aW9u"`},
		{`!Cidr ["192.168.0.0/24", 6, 5]`, `["192.168.0.0/27","192.168.0.32/27","192.168.0.64/27","192.168.0.96/27","192.168.0.128/27","192.168.0.160/27"]`},
		{`!Select [1, !Cidr ["10.0.0.0/16", "3", "8"]]`, `"10.0.1.0/24"`},
		{`!Cidr ["2001:db8::/56", 2, 64]`, `["2001:db8::/64","2001:db8:0:1::/64"]`},
		{`!FindInMap [RegionMap, !Ref AWS::Region, HVM64]`, `"ami-0ff8a91507f77f867"`},
		{`!FindInMap [RegionMap, us-east-1, List]`, `["x","y"]`},
		{`!FindInMap [RegionMap, eu-x, HVM64, {DefaultValue: none}]`, `"none"`},
		{`!GetAtt B.Arn`, `"B/Arn"`},
		{`!GetAtt B.Endpoint.Address`, `"B/Endpoint.Address"`},
		{`{"Fn::GetAtt": [B, Endpoint.Address]}`, `"B/Endpoint.Address"`},
		{`{"Fn::GetAtt": [B, Endpoint, Address]}`, `"B/Endpoint.Address"`},
		{`{"Fn::GetAZs": ""}`, `["us-east-1a","us-east-1b"]`},
		{`!Select [0, !GetAZs eu-west-1]`, `"eu-west-1a"`},
		{`!ImportValue {"Fn::Sub": "${Name}-vpc"}`, `"import:web-vpc"`},
		{`!If [Yes, a, b]`, `"a"`},
		{`!If [No, a, b]`, `"b"`},
		{`{x: !If [No, a, !Ref AWS::NoValue], y: 1}`, `{"y":1}`},
		{`[a, !Ref AWS::NoValue, c]`, `["a","c"]`},
		{`!Ref AWS::NoValue`, `null`},
		{`!Join [":", [a, b, c]]`, `"a:b:c"`},
		{`!Join ["", ["arn:", !Ref AWS::Partition, ":", !Ref AWS::AccountId, 1, true]]`, `"arn:aws:0123456789011true"`},
		{`!Join ["-", !Ref Zones]`, `"a-b-c"`},
		{`!Select ["1", [apples, grapes, oranges]]`, `"grapes"`},
		{`!Select [2, !Ref Zones]`, `"c"`},
		{`!Split ["|", "a|b|c"]`, `["a","b","c"]`},
		{`!Select [2, !Split [",", {"Fn::ImportValue": "x,y,z"}]]`, `"z"`},
		{`!Split ["|", "a||c|"]`, `["a","","c",""]`},
		{`!Sub "${Name}-${AWS::Region}"`, `"web-us-east-1"`},
		{`!Sub "${B}/${B.Arn}/${!Literal}/$${Name}/${"`, `"b-physical/B/Arn/${Literal}/$web/${"`},
		{`!Sub ["${A1}.${Name}", {A1: !Ref Name, Name: other}]`, `"web.other"`},
		{`!Sub "${Zones}|${Count}"`, `"a,b,c|3"`},
		{`!Ref Name`, `"web"`},
		{`!Ref Zones`, `["a","b","c"]`},
		{`!Ref B`, `"b-physical"`},
		{`!Ref AWS::NotificationARNs`, `["arn:n"]`},
		{`!Ref AWS::URLSuffix`, `"amazonaws.com"`},
		{`!Length [1, 2, 3]`, `3`},
		{`!Length {Ref: Zones}`, `3`},
		{`!ToJsonString {b: 1, a: [x, !Ref Name], "h<": "&"}`, `"{\"b\":1,\"a\":[\"x\",\"web\"],\"h<\":\"&\"}"`},
		{`!ToJsonString [1, "1", true, null]`, `"[1,\"1\",true,null]"`},
		{`!GetStackOutput {StackName: !Ref Name, OutputName: Url}`, `"web/Url//"`},
		{`!GetAtt [B, !Ref Name]`, `"B/web"`},
		{`{"Fn::GetAZs":}`, `["us-east-1a","us-east-1b"]`},
		{`!Join ["-", [x, !Ref A]]`, `"{{changeSet:KNOWN_AFTER_APPLY}}"`},
		{`!Sub "${A}-x"`, `"{{changeSet:KNOWN_AFTER_APPLY}}"`},
		{`!Select [0, [x, !Ref A]]`, `"x"`},
		{`!Select [1, !Split ["-", !GetAtt A.Arn]]`, `"{{changeSet:KNOWN_AFTER_APPLY}}"`},
		{`!Sub "${B.Names}"`, `"n1,n2"`},
		{`{Version: 2012-10-17, id: 012345678901, n: 1.50, e: 1e3, yes: yes, s: "yes", o: 0o7, t: 10:30, nil: ~}`,
			`{"Version":"2012-10-17","e":1e3,"id":"012345678901","n":1.50,"nil":null,"o":"0o7","s":"yes","t":"10:30","yes":true}`},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			t.Parallel()
			template, n := expression(t, test.expr, functionContext)
			got, err := evaluatorFor(t, template).Resolve(n)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			if json.Unmarshal(text, &a) != nil || json.Unmarshal([]byte(test.want), &b) != nil {
				t.Fatalf("not JSON: %s", text)
			}
			if diff := cmp.Diff(b, a); diff != "" {
				t.Errorf("%s: %s", test.expr, diff)
			}
		})
	}
}

func TestFunctionFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ expr, want string }{
		{`!Select [5, [a]]`, "t.yml:1:40: Template error: Fn::Select cannot select nonexistent value at index 5"},
		{`!Select [x, [a]]`, `t.yml:1:49: Template error: "x" must be a whole number`},
		{`!FindInMap [RegionMap, eu-x, HVM64]`, "t.yml:1:40: Template error: Unable to get mapping for RegionMap::eu-x::HVM64"},
		{`!FindInMap [Nope, eu-x, HVM64]`, "t.yml:1:40: Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template."},
		{`!Cidr ["10.0.0.0/24", 2, 8]`, "t.yml:1:40: Template error: Fn::Cidr: 10.0.0.0/24 has no room for 2 blocks of 8 bits"},
		{`!Cidr ["10.0.0.0", 2, 8]`, "t.yml:1:40: Template error: Fn::Cidr: 10.0.0.0 is not a CIDR block"},
		{`!Cidr ["10.0.0.0/8", 257, 8]`, "t.yml:1:40: Template error: Fn::Cidr: count 257 is not between 1 and 256"},
		{`!GetAtt B.Missing`, "t.yml:1:40: no attribute Missing"},
		{`!Ref Nowhere`, "t.yml:1:40: Template format error: Unresolved resource dependencies [Nowhere] in the Resources block of the template"},
		{`!Sub "${a b}"`, "t.yml:1:40: Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{`!Split ["", x]`, "t.yml:1:40: Template error: Fn::Split needs a delimiter of at least one character"},
		{`!If [Maybe, a, b]`, "t.yml:1:40: Template format error: Unresolved condition dependency Maybe in the Conditions block of the template"},
		{`!Join ["", {a: b}]`, "t.yml:1:51: Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			t.Parallel()
			template, n := expression(t, test.expr, functionContext)
			_, err := evaluatorFor(t, template).Resolve(n)
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("got %v", err)
			}
			if got := fault.Pos.String() + ": " + fault.Message; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if fault.Source == "" {
				t.Error("the fault shows no source line")
			}
		})
	}
}
