package policy

import (
	"strings"
	"testing"
)

const allowRead = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`

func doc(statements string) string { return `{"Version":"2012-10-17","Statement":` + statements + `}` }

func TestParse(t *testing.T) {
	t.Parallel()
	trusting := `{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"}`
	for name, c := range map[string]struct {
		kind Kind
		text string
		want string // of the error
	}{
		"one statement":           {Identity, doc(allowRead), ""},
		"list of statements":      {Identity, doc("[" + allowRead + "," + allowRead + "]"), ""},
		"everything":              {Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*"}`), ""},
		"but something":           {Identity, doc(`{"Effect":"Allow","NotAction":"iam:*","NotResource":["*"]}`), ""},
		"conditions":              {Identity, doc(`{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a*",1,true]}}}`), ""},
		"not JSON":                {Identity, `This is not a json document`, "Syntax errors in policy."},
		"more than one":           {Identity, doc(allowRead) + "{}", "Syntax errors in policy."},
		"no statement":            {Identity, `{"Version":"2012-10-17"}`, "Syntax errors in policy."},
		"empty list":              {Identity, doc("[]"), "Syntax errors in policy."},
		"unknown element":         {Identity, strings.Replace(doc(allowRead), "Effect", "Efect", 1), "Syntax errors in policy."},
		"unknown effect":          {Identity, strings.Replace(doc(allowRead), "Allow", "allow", 1), "Syntax errors in policy."},
		"unknown operator":        {Identity, doc(`{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringIs":{"a":"b"}}}`), "Syntax errors in policy."},
		"both actions":            {Identity, doc(`{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}`), "Syntax errors in policy."},
		"no version":              {Identity, `{"Statement":` + allowRead + `}`, "Policy document must be version 2012-10-17 or greater."},
		"old version":             {Identity, strings.Replace(doc(allowRead), "2012", "2008", 1), "Policy document must be version 2012-10-17 or greater."},
		"twice the same id":       {Identity, doc(`[{"Sid":"a",` + allowRead[1:] + `,{"Sid":"a",` + allowRead[1:] + `]`), "Statement IDs (SID) in a single policy must be unique."},
		"no action":               {Identity, doc(`{"Effect":"Allow","Resource":"*"}`), "Policy statement must contain actions."},
		"no resource":             {Identity, doc(`{"Effect":"Allow","Action":"s3:*"}`), "Policy statement must contain resources."},
		"principal":               {Identity, doc(`{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}`), "Policy document should not specify a principal."},
		"action without a vendor": {Identity, strings.Replace(doc(allowRead), "s3:GetObject", "GetObject", 1), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		"action of three parts":   {Identity, strings.Replace(doc(allowRead), "s3:GetObject", "s3:Get:Object", 1), "Actions/Condition can contain only one colon."},
		"action's vendor":         {Identity, strings.Replace(doc(allowRead), "s3:GetObject", "s 3:GetObject", 1), "Vendor s 3 is not valid"},
		"resource without ARN":    {Identity, strings.Replace(doc(allowRead), "arn:aws:s3:::b/*", "b", 1), `Resource b must be in ARN format or "*".`},

		"trust":                 {Trust, doc(trusting), ""},
		"trust of 2008":         {Trust, strings.Replace(doc(trusting), "2012", "2008", 1), ""},
		"trust in an account":   {Trust, strings.Replace(doc(trusting), `"Service":"ecs.amazonaws.com"`, `"AWS":["123456789012","arn:aws:iam::123456789012:root","*"]`, 1), ""},
		"trust, not JSON":       {Trust, "{", "This policy contains invalid Json"},
		"trust with a resource": {Trust, doc(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), "Has prohibited field Resource"},
		"trust in nobody":       {Trust, doc(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), "Missing required field Principal"},
		"trust of other things": {Trust, strings.Replace(doc(trusting), "sts:AssumeRole", "s3:GetObject", 1), "AssumeRole policy may only specify STS AssumeRole actions."},
		"trust in a stranger":   {Trust, strings.Replace(doc(trusting), `"Service":"ecs.amazonaws.com"`, `"AWS":"ann"`, 1), `Invalid principal in policy: "AWS":"ann"`},
		"trust in no service":   {Trust, strings.Replace(doc(trusting), `ecs.amazonaws.com`, `ecs`, 1), `Invalid principal in policy: "SERVICE":"ecs"`},

		"of a key":               {Resource, doc(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}`), ""},
		"of a key, for nobody":   {Resource, doc(`{"Effect":"Allow","Action":"kms:*","Resource":"*"}`), "Missing required field Principal"},
		"of a key, unknown kind": {Resource, doc(`{"Effect":"Allow","Principal":{"Aws":"*"},"Action":"kms:*","Resource":"*"}`), "Syntax errors in policy."},
	} {
		d, err := Parse(c.text, c.kind)
		if c.want == "" && (err != nil || len(d.Statements) == 0) || c.want != "" && (err == nil || Message(err) != c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(doc(allowRead), 0)
	f.Add(doc(`{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":["sts:AssumeRole"],"Condition":{"Null":{"a":true}}}`), 1)
	f.Fuzz(func(t *testing.T, text string, kind int) {
		d, err := Parse(text, Kind(((kind%3)+3)%3))
		if (d == nil) == (err == nil) {
			t.Fatalf("%v, %v", d, err)
		}
	})
}
