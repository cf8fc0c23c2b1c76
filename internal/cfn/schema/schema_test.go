package schema

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lookup(t testing.TB, name string) *Type {
	t.Helper()
	typ, ok := Lookup(name)
	if !ok {
		t.Fatalf("no schema of %s", name)
	}
	return typ
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryTypeOpens(t *testing.T) {
	t.Parallel()
	if len(packed) > 1<<20 {
		t.Errorf("the embedded schemas have %d bytes, more than 1 MB", len(packed))
	}
	if len(Types()) < 1500 {
		t.Fatalf("only %d types", len(Types()))
	}
	unreadable := map[string]bool{}
	for _, name := range Types() {
		typ := lookup(t, name)
		everyDefinition(typ, func(d *Definition) {
			if d.Ref != "" && typ.resolve(d) == nil {
				t.Errorf("%s: reference %s leads nowhere", name, d.Ref)
			}
			if _, err := CompilePattern(d.Pattern); err != nil {
				unreadable[d.Pattern] = true
			}
		})
		for _, path := range slices.Concat(typ.CreateOnly, typ.PrimaryIdentifier) {
			if strings.HasPrefix(path, "/properties") || strings.Contains(path, "/items") {
				t.Errorf("%s: path %s was not reduced", name, path)
			}
		}
	}
	if len(unreadable) > 10 {
		t.Errorf("%d patterns cannot be read: %v", len(unreadable), unreadable)
	}
}

func everyDefinition(t *Type, visit func(*Definition)) {
	var walk func(d *Definition)
	walk = func(d *Definition) {
		if d == nil {
			return
		}
		visit(d)
		walk(d.Items)
		walk(d.Additional)
		for _, children := range []map[string]*Definition{d.Properties, d.PatternProperties} {
			for _, child := range children {
				walk(child)
			}
		}
		for _, child := range slices.Concat(d.AnyOf, d.OneOf, d.AllOf) {
			walk(child)
		}
	}
	walk(&t.Root)
	for _, d := range t.Definitions {
		walk(d)
	}
}

// The types that the stacks of this project are made of.
func TestKnownTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                                     string
		identifier, createOnly, readOnly, writes []string
	}{
		{"AWS::ECS::Cluster", []string{"/ClusterName"}, []string{"/ClusterName"}, []string{"/Arn"}, nil},
		{"AWS::Logs::LogGroup", []string{"/LogGroupName"}, []string{"/LogGroupName"}, []string{"/Arn"}, nil},
		{"AWS::S3::Bucket", []string{"/BucketName"}, []string{"/BucketName"}, []string{"/Arn", "/DomainName"}, []string{"/AccessControl"}},
		{"AWS::SSM::Parameter", []string{"/Name"}, []string{"/Name"}, nil, nil},
		{"AWS::ElasticLoadBalancingV2::TargetGroup", []string{"/TargetGroupArn"}, []string{"/Port", "/Protocol", "/VpcId"}, []string{"/TargetGroupFullName"}, nil},
		{"AWS::RDS::DBInstance", []string{"/DBInstanceIdentifier"}, []string{"/MasterUsername"}, []string{"/Endpoint/Address"}, []string{"/MasterUserPassword"}},
		{"AWS::IAM::Role", []string{"/RoleName"}, []string{"/RoleName", "/Path"}, []string{"/Arn", "/RoleId"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			typ := lookup(t, test.name)
			if diff := cmp.Diff(test.identifier, typ.PrimaryIdentifier); diff != "" {
				t.Error(diff)
			}
			for what, lists := range map[string][2][]string{
				"create-only": {test.createOnly, typ.CreateOnly}, "read-only": {test.readOnly, typ.ReadOnly}, "write-only": {test.writes, typ.WriteOnly},
			} {
				for _, path := range lists[0] {
					if !slices.Contains(lists[1], path) {
						t.Errorf("%s is not %s: %v", path, what, lists[1])
					}
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ, properties string
		want            []string
	}{
		{"AWS::ECS::Cluster", `{"ClusterName": "a", "Tags": [{"Key": "a", "Value": "b"}]}`, nil},
		{"AWS::ECS::Cluster", `{"ClusterNam": "a"}`, []string{"#: extraneous key [ClusterNam] is not permitted (did you mean ClusterName?)"}},
		{"AWS::ECS::Cluster", `{"Arn": "a"}`, []string{"#/Arn: Encountered unsupported property Arn (AWS sets it: read it with Fn::GetAtt)"}},
		{"AWS::ECS::Cluster", `{"Tags": {}}`, []string{"#/Tags: expected type: JSONArray, found: JSONObject"}},
		{"AWS::ECS::Cluster", `{"ClusterName": null}`, []string{"#/ClusterName: expected type: String, found: Null (a property without a value must be left out)"}},
		{"AWS::ECS::Cluster", `{"ClusterName": 12}`, nil},
		{"AWS::ECS::Cluster", `{"DefaultCapacityProviderStrategy": [{"Base": "x"}, {"Base": "-1"}, {"Weight": 2000}]}`, []string{
			"#/DefaultCapacityProviderStrategy/0/Base: expected type: Integer, found: String",
			"#/DefaultCapacityProviderStrategy/1/Base: -1 is not greater or equal to 0",
			"#/DefaultCapacityProviderStrategy/2/Weight: 2000 is not less or equal to 1000",
		}},
		{"AWS::Logs::LogGroup", `{"RetentionInDays": "30"}`, nil},
		{"AWS::Logs::LogGroup", `{"RetentionInDays": 30.5}`, []string{"#/RetentionInDays: expected type: Integer, found: Number"}},
		{"AWS::Logs::LogGroup", `{"LogGroupName": "a b"}`, []string{`#/LogGroupName: failed validation constraint for keyword [pattern] (must match ^[.\-_/#A-Za-z0-9]{1,512}\Z)`}},
		{"AWS::IAM::Role", `{}`, []string{"#: required key [AssumeRolePolicyDocument] not found"}},
		{"AWS::IAM::Role", `{"AssumeRolePolicyDocument": "{\"Version\": \"2012-10-17\"}"}`, nil},
		{"AWS::S3::Bucket", `{"VersioningConfiguration": {"Status": "On"}}`, []string{"#/VersioningConfiguration/Status: On is not a valid enum value (one of Enabled, Suspended)"}},
		{"AWS::Lambda::Function", `{"Role": "arn:aws:iam::123456789012:role/x", "Code": {"ZipFile": "x"}, "Handler": "i.h", "Runtime": "python3.13", "MemorySize": "128"}`, nil},
	}
	for _, test := range tests {
		t.Run(test.typ+test.properties, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, problem := range lookup(t, test.typ).Validate(object(t, test.properties)) {
				got = append(got, problem.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReplacement(t *testing.T) {
	t.Parallel()
	type unknownValue struct{}
	tests := []struct {
		typ, before, after string
		want               Replacement
	}{
		{"AWS::ECS::Cluster", `{"ClusterName": "a"}`, `{"ClusterName": "a"}`, Never},
		{"AWS::ECS::Cluster", `{"ClusterName": "a"}`, `{"ClusterName": "b"}`, Always},
		{"AWS::ECS::Cluster", `{"ClusterName": "a"}`, `{}`, Always},
		{"AWS::ECS::Cluster", `{"ClusterName": "a", "Tags": []}`, `{"ClusterName": "a", "Tags": [{"Key": "k", "Value": "v"}]}`, Never},
		{"AWS::ElasticLoadBalancingV2::TargetGroup", `{"Port": "80"}`, `{"Port": 80}`, Never},
		{"AWS::ElasticLoadBalancingV2::TargetGroup", `{"Port": "80", "HealthCheckPath": "/"}`, `{"Port": "80", "HealthCheckPath": "/x"}`, Never},
		{"AWS::ElasticLoadBalancingV2::TargetGroup", `{"Port": 80}`, `{"Port": 81}`, Always},
		{"AWS::RDS::DBInstance", `{"AvailabilityZone": "a"}`, `{"AvailabilityZone": "b"}`, Conditional},
	}
	for _, test := range tests {
		t.Run(test.typ+test.before+test.after, func(t *testing.T) {
			t.Parallel()
			if got := lookup(t, test.typ).Replacement(object(t, test.before), object(t, test.after)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	got := lookup(t, "AWS::ECS::Cluster").Replacement(map[string]any{"ClusterName": "a"}, map[string]any{"ClusterName": unknownValue{}})
	if got != Conditional {
		t.Errorf("a name that is not known yet: %s", got)
	}
	if got := lookup(t, "AWS::ECS::Cluster").RequiresRecreation("ClusterName"); got != Always {
		t.Errorf("a cluster's name: %s", got)
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ, attribute string
		want           bool
	}{
		{"AWS::S3::Bucket", "Arn", true},
		{"AWS::S3::Bucket", "WebsiteURL", true},
		{"AWS::S3::Bucket", "BucketName", false},
		{"AWS::RDS::DBInstance", "Endpoint.Address", true},
		{"AWS::RDS::DBInstance", "Endpoint.Host", false},
		{"AWS::EC2::VPC", "CidrBlock", true},
		{"AWS::EC2::SecurityGroup", "GroupId", true},
		{"AWS::ElasticLoadBalancingV2::LoadBalancer", "DNSName", true},
		{"AWS::ServiceDiscovery::Service", "Name", true},
	}
	for _, test := range tests {
		if got := lookup(t, test.typ).HasAttribute(test.attribute); got != test.want {
			t.Errorf("%s.%s: %v", test.typ, test.attribute, got)
		}
	}
}

func TestCoerce(t *testing.T) {
	t.Parallel()
	tests := []struct{ typ, properties, want string }{
		{"AWS::Logs::LogGroup", `{"RetentionInDays": "30", "LogGroupName": 12}`, `{"RetentionInDays": 30, "LogGroupName": "12"}`},
		{"AWS::ECS::Service", `{"DesiredCount": "2", "EnableExecuteCommand": "true", "LoadBalancers": [{"ContainerPort": "80", "ContainerName": true}]}`,
			`{"DesiredCount": 2, "EnableExecuteCommand": true, "LoadBalancers": [{"ContainerPort": 80, "ContainerName": "true"}]}`},
		{"AWS::IAM::Role", `{"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Sid": 1}]}}`,
			`{"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Sid": 1}]}}`},
		{"AWS::Logs::LogGroup", `{"RetentionInDays": "soon"}`, `{"RetentionInDays": "soon"}`},
	}
	for _, test := range tests {
		if diff := cmp.Diff(object(t, test.want), lookup(t, test.typ).Coerce(object(t, test.properties))); diff != "" {
			t.Errorf("%s %s: %s", test.typ, test.properties, diff)
		}
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	want := []*Type{
		{Name: "B::B::B", Root: Definition{Properties: map[string]*Definition{"X": {Types: "s", MinLength: new(0)}}}},
		{Name: "A::A::A", Root: Definition{Open: true}, CreateOnly: []string{"/X"}},
	}
	data, err := Pack(want)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPack(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range want {
		got, ok := p.lookup(typ.Name)
		if !ok {
			t.Fatal("lost", typ.Name)
		}
		if diff := cmp.Diff(typ, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, damaged := range [][]byte{nil, data[:4], data[:20], append([]byte("x"), data...)} {
		if _, err := openPack(damaged); !errors.Is(err, errPacked) {
			t.Errorf("a damaged file: %v", err)
		}
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	known := []string{"ClusterName", "Tags", "Configuration"}
	for word, want := range map[string]string{"CluserName": "ClusterName", "Tgas": "Tags", "clustername": "ClusterName", "Colour": "", "": ""} {
		if got := Closest(word, known); got != want {
			t.Errorf("%s: %q", word, got)
		}
	}
}

func TestPatternWithLookAround(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"name": true, "aws:name": false} {
		if got := matches("^(?!aws:).+$", text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	evil := "(?=x)?^(a+)+$"
	if matches(evil, strings.Repeat("a", 40)+"!") {
		t.Error("a pattern that never ends has matched")
	}
}

func BenchmarkOpenType(b *testing.B) {
	for b.Loop() {
		p, err := openPack(packed)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := p.lookup("AWS::ECS::Service"); !ok {
			b.Fatal("no such type")
		}
	}
}

func BenchmarkFirstLookup(b *testing.B) {
	p, err := openPack(packed)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		clear(p.opened)
		if _, ok := p.lookup("AWS::ECS::TaskDefinition"); !ok {
			b.Fatal("no such type")
		}
	}
}
