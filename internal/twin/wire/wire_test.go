package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/wire"
)

func operation(t testing.TB, api *wire.API, name string) *wire.OperationModel {
	t.Helper()
	m, err := api.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m.Operations[name]
}

func TestConstraintsAreWordedAsAWSDoes(t *testing.T) {
	t.Parallel()
	role := iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: "{}"}
	with := func(change func(*iam.CreateRoleInput)) *iam.CreateRoleInput {
		in := role
		change(&in)
		return &in
	}
	for name, c := range map[string]struct {
		api       *wire.API
		operation string
		in        any
		want      string
	}{
		"valid":      {iam.API, "CreateRole", &role, ""},
		"missing":    {iam.API, "CreateRole", &iam.CreateRoleInput{RoleName: "r"}, "ValidationError: 1 validation error detected: Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"},
		"too long":   {iam.API, "CreateRole", with(func(in *iam.CreateRoleInput) { in.RoleName = strings.Repeat("r", 65) }), "at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		"pattern":    {iam.API, "CreateRole", with(func(in *iam.CreateRoleInput) { in.RoleName = "a b" }), "Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+"},
		"too small":  {iam.API, "CreateRole", with(func(in *iam.CreateRoleInput) { in.MaxSessionDuration = new(60) }), "Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600"},
		"nested":     {iam.API, "CreateRole", with(func(in *iam.CreateRoleInput) { in.Tags = []iam.Tag{{Key: "k"}, {Key: strings.Repeat("k", 129)}} }), "at 'tags.2.member.key' failed to satisfy constraint: Member must have length less than or equal to 128"},
		"enum":       {kms.API, "CreateKey", &kms.CreateKeyInput{KeyUsage: new("FUN")}, "ValidationException: 1 validation error detected: Value 'FUN' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set: [SIGN_VERIFY, ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC, KEY_AGREEMENT]"},
		"secret":     {kms.API, "Encrypt", &kms.EncryptInput{KeyId: "k", Plaintext: make([]byte, 4097)}, "Value '***' at 'plaintext'"},
		"two errors": {sts.API, "AssumeRole", &sts.AssumeRoleInput{RoleArn: "arn", RoleSessionName: "s"}, "2 validation errors detected: "},
	} {
		err := c.api.Validate(operation(t, c.api, c.operation), c.in)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %s", name, err, c.want)
		}
	}
}

func form(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func target(name, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", name)
	return r
}

func TestErrorsHaveTheFormOfTheProtocol(t *testing.T) {
	t.Parallel()
	const escaped = "a &lt;b&gt; &amp; c"
	for name, c := range map[string]struct {
		api    *wire.API
		r      *http.Request
		err    *wire.Error
		status int
		want   string
		header string
	}{
		"query": {iam.API, form("Action=GetRole&RoleName=r"), wire.Errorf("NoSuchEntity", "a <b> & c"), 404,
			`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>` + escaped + `</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`, ""},
		"query, shape's name": {iam.API, form("Action=GetRole&RoleName=r"), wire.Errorf("NoSuchEntityException", "x"), 404, "<Code>NoSuchEntity</Code>", ""},
		"query, internal":     {iam.API, form("Action=GetRole&RoleName=r"), &wire.Error{Code: "InternalFailure", Status: 500}, 500, "<Type>Receiver</Type>", ""},
		"json": {kms.API, target("TrentService.DescribeKey", "{}"), wire.Errorf("NotFoundException", `"x"`), 400,
			`{"__type":"NotFoundException","message":"\"x\""}`, "NotFoundException"},
		"json, fields": {ecs.API, target("AmazonEC2ContainerServiceV20141113.CreateCluster", "{}"), &wire.Error{Code: "ClientException", Message: "x", Fields: map[string]any{"resourceIds": []string{"a"}}}, 400,
			`"resourceIds":["a"]`, "ClientException"},
		"ec2": {ec2.API, form("Action=DescribeVpcs"), wire.Errorf("InvalidVpcID.NotFound", "a <b> & c"), 400,
			`<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>` + escaped + `</Message></Error></Errors><RequestID>id-1</RequestID></Response>`, ""},
		"s3": {s3.API, httptest.NewRequest(http.MethodGet, "/b/k", nil), &wire.Error{Code: "NoSuchKey", Message: "x", Status: 404, Fields: map[string]any{"Key": "k"}}, 404,
			`<Error><Code>NoSuchKey</Code><Message>x</Message><Key>k</Key><Resource>/b/k</Resource><RequestId>id-1</RequestId></Error>`, ""},
	} {
		q, err := c.api.Route(c.r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w := httptest.NewRecorder()
		q.WriteError(w, c.err, "id-1")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("X-Amzn-Errortype") != c.header {
			t.Errorf("%s: %d %v\n%s\nwant %d\n%s", name, w.Code, w.Header(), w.Body, c.status, c.want)
		}
	}
	w := httptest.NewRecorder()
	q, err := s3.API.Route(httptest.NewRequest(http.MethodHead, "/b/k", nil))
	if err != nil {
		t.Fatal(err)
	}
	if q.WriteError(w, &wire.Error{Code: "NotFound", Status: 404}, "id-1"); w.Code != 404 || w.Body.Len() > 0 {
		t.Errorf("HEAD was answered with %d %s", w.Code, w.Body)
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		api  *wire.API
		r    *http.Request
		in   any
		code string
	}{
		"no JSON":           {kms.API, target("TrentService.DescribeKey", "{"), &kms.DescribeKeyInput{}, "SerializationException"},
		"a list":            {kms.API, target("TrentService.DescribeKey", "[]"), &kms.DescribeKeyInput{}, "SerializationException"},
		"wrong type":        {kms.API, target("TrentService.DescribeKey", `{"KeyId":7}`), &kms.DescribeKeyInput{}, "SerializationException"},
		"null in a list":    {kms.API, target("TrentService.CreateKey", `{"Tags":[null]}`), &kms.CreateKeyInput{}, "SerializationException"},
		"no base64":         {kms.API, target("TrentService.Decrypt", `{"CiphertextBlob":"%"}`), &kms.DecryptInput{}, "SerializationException"},
		"unknown member":    {kms.API, target("TrentService.DescribeKey", `{"KeyId":"k","Colour":"red"}`), &kms.DescribeKeyInput{}, "SerializationException"},
		"endless time":      {s3.API, httptest.NewRequest(http.MethodGet, "/b/k?response-expires=NaN", nil), &s3.GetObjectInput{}, "SerializationException"},
		"far time":          {s3.API, httptest.NewRequest(http.MethodGet, "/b/k?response-expires=1e300", nil), &s3.GetObjectInput{}, "SerializationException"},
		"no integer":        {iam.API, form("Action=ListRoles&MaxItems=many"), &iam.ListRolesInput{}, "SerializationException"},
		"unknown parameter": {iam.API, form("Action=ListRoles&Colour=red"), &iam.ListRolesInput{}, "UnknownParameter"},
		"gap in a list":     {iam.API, form("Action=UntagRole&RoleName=r&TagKeys.member.2=x"), &iam.UntagRoleInput{}, "UnknownParameter"},
		"no form":           {iam.API, form("Action=%zz"), &iam.ListRolesInput{}, "MalformedQueryString"},
		"no XML":            {s3.API, httptest.NewRequest(http.MethodPost, "/b?delete", strings.NewReader("<Delete>")), &s3.DeleteObjectsInput{}, "MalformedXML"},
		"deep XML":          {s3.API, httptest.NewRequest(http.MethodPost, "/b?delete", strings.NewReader(strings.Repeat("<a>", 200))), &s3.DeleteObjectsInput{}, "MalformedXML"},
	} {
		q, err := c.api.Route(c.r)
		if err == nil {
			err = q.Decode(c.in)
		}
		if !wire.HasCode(err, c.code) {
			t.Errorf("%s: %v; want %s", name, err, c.code)
		}
	}
}

func TestAsErrorKeepsTheHouseToItself(t *testing.T) {
	t.Parallel()
	if e, internal := wire.AsError(errors.New("boom")); !internal || e.Status != 500 || e.Code != "InternalFailure" || strings.Contains(e.Message, "boom") {
		t.Errorf("%+v, %v", e, internal)
	}
	known := wire.NotFoundf("NoSuchThing", "x")
	if e, internal := wire.AsError(errors.Join(known)); internal || e != known {
		t.Errorf("%+v, %v", e, internal)
	}
}

// readable decodes; what can be read must be writable as well as valid Go.
func readable(t *testing.T, api *wire.API, r *http.Request, in any) {
	q, err := api.Route(r)
	if err == nil && q.Op != nil {
		err = q.Decode(in)
	}
	var known *wire.Error
	if err != nil && !errors.As(err, &known) {
		t.Fatalf("an error that is not AWS's: %v", err)
	}
	if err == nil && reflect.ValueOf(in).IsNil() {
		t.Fatal("nothing was read")
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"cluster":"c","containerDefinitions":[{"name":"n","environment":[{"name":"a","value":"b"}]}]}`)
	f.Add(`{"family":"f","tags":[{"key":1e400}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		readable(t, ecs.API, target("AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition", body), &ecs.RegisterTaskDefinitionInput{})
	})
}

func FuzzForm(f *testing.F) {
	f.Add("RoleName=r&Tags.member.1.Key=a&Tags.member.1.Value=b")
	f.Add("Tags=&Tags.member.1.Key=a&Tags.1=&=&.=")
	f.Fuzz(func(t *testing.T, body string) {
		readable(t, iam.API, form("Action=CreateRole&"+body), &iam.CreateRoleInput{})
	})
}

func FuzzEC2Form(f *testing.F) {
	f.Add("Filter.1.Name=a&Filter.1.Value.1=b&VpcId.1=c")
	f.Fuzz(func(t *testing.T, body string) {
		readable(t, ec2.API, form("Action=DescribeVpcs&"+body), &ec2.DescribeVpcsInput{})
	})
}

func FuzzXML(f *testing.F) {
	f.Add("<Delete><Object><Key>k</Key></Object><Quiet>true</Quiet></Delete>")
	f.Add("<a/>")
	f.Fuzz(func(t *testing.T, body string) {
		readable(t, s3.API, httptest.NewRequest(http.MethodPost, "/b?delete", strings.NewReader(body)), &s3.DeleteObjectsInput{})
	})
}
