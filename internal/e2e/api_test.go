package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// refused checks AWS's error code and a part of its text.
func refused(t *testing.T, err error, code string, texts ...string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("error %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code {
		t.Errorf("error code %s, want %s (%s)", api.ErrorCode(), code, api.ErrorMessage())
	}
	for _, text := range texts {
		if !strings.Contains(api.ErrorMessage(), text) {
			t.Errorf("%s: %q lacks %q", code, api.ErrorMessage(), text)
		}
	}
}

// TestSignatures: wrong keys, wrong secrets and wrong clocks are refused as AWS refuses them.
func TestSignatures(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	good := m.connection()
	ask := func(key, secret string) error {
		config := m.config()
		config.Credentials = credentials.NewStaticCredentialsProvider(key, secret, "")
		_, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	if err := ask(good.AccessKeyID, good.SecretAccessKey); err != nil {
		t.Fatal(err)
	}
	refused(t, ask(good.AccessKeyID, "not the secret"), "SignatureDoesNotMatch")
	refused(t, ask("AKIAIOSFODNN7EXAMPLE", good.SecretAccessKey), "InvalidClientTokenId")
	for text, at := range map[string]time.Time{"Signature expired": time.Now().Add(-time.Hour), "Signature not yet current": time.Now().Add(time.Hour)} {
		status, body := m.signedAt(at)
		if status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") || !strings.Contains(body, text) {
			t.Errorf("signed at %s: %d %s, want %s", at, status, body, text)
		}
	}
	if status, body := m.signedAt(time.Now().Add(-4 * time.Minute)); status != http.StatusOK {
		t.Errorf("a clock four minutes slow: %d %s", status, body)
	}
}

// signedAt sends GetCallerIdentity as a client whose clock shows a time.
func (m *machine) signedAt(at time.Time) (int, string) {
	m.t.Helper()
	c := m.connection()
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	request, err := http.NewRequest(http.MethodPost, c.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(m.t.Context(), keys, request, hex.EncodeToString(sum[:]), "sts", c.Region, at); err != nil {
		m.t.Fatal(err)
	}
	answer, err := browser.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestBadTemplates are refused before anything is made.
func TestBadTemplates(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	client := cloudformation.NewFromConfig(m.config())
	for name, c := range map[string]struct {
		template string
		wants    []string
	}{
		"cycle": {`{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Fn::Sub":"x-${B}"}}},
			"B":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Fn::Sub":"y-${A}"}}}}}`, []string{"Circular dependency between resources", "A", "B"}},
		"unknown type":      {`{"Resources":{"A":{"Type":"AWS::Nothing::Here"}}}`, []string{"AWS::Nothing::Here"}},
		"missing parameter": {`{"Parameters":{"Name":{"Type":"String"}},"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Ref":"Name"}}}}}`, []string{"Parameters: [Name] must have values"}},
		"unresolved":        {`{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Ref":"Nothing"}}}}}`, []string{"Nothing"}},
	} {
		_, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("bad"), TemplateBody: &c.template})
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		refused(t, err, "ValidationError", c.wants...)
	}
	m.nothingLeft()
}

// exporter exports a log group's name; importer takes it and exports one of its own.
const exporter = `{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":"%s"}}},
	"Outputs":{"Name":{"Value":{"Ref":"A"},"Export":{"Name":"%s"}}}}`

const importer = `{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Fn::Sub":["%s-${in}",{"in":{"Fn::ImportValue":"%s"}}]}}}},
	"Outputs":{"Name":{"Value":{"Ref":"A"},"Export":{"Name":"%s"}}}}`

// TestExports: one in use cannot go, and none can be imported in a circle.
func TestExports(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	client := cloudformation.NewFromConfig(m.config())
	create := func(name, template string) {
		t.Helper()
		if _, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template}); err != nil {
			t.Fatal(err)
		}
		m.settled()
	}
	create("one", fmt.Sprintf(exporter, "one", "first"))
	create("two", fmt.Sprintf(importer, "two", "first", "second"))
	// The circle: one takes what two makes of what one exports.
	update := fmt.Sprintf(importer, "one", "second", "first")
	if _, err := client.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: &update}); err != nil {
		refused(t, err, "ValidationError")
	}
	m.reasonOf(client, "one", "first", "two")
	// A stack that takes its own export finds none.
	create("self", fmt.Sprintf(importer, "self", "mine", "mine"))
	m.reasonOf(client, "self", "No export named mine found")
	m.settled()
	if _, err := client.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err != nil {
		refused(t, err, "ValidationError", "first", "two")
	}
	m.reasonOf(client, "one", "first", "two")
}

// reasonOf waits until a stack's events tell of something, and checks that the stack is there.
func (m *machine) reasonOf(client *cloudformation.Client, stack string, texts ...string) {
	m.t.Helper()
	eventually(m.t, 20*time.Second, "an event of stack "+stack, func() error {
		list, err := client.DescribeStackEvents(m.t.Context(), &cloudformation.DescribeStackEventsInput{StackName: &stack})
		if err != nil {
			return err
		}
		var told []string
		for _, e := range list.StackEvents {
			reason := aws.ToString(e.ResourceStatusReason)
			if told = append(told, reason); containsAll(reason, texts) {
				return nil
			}
		}
		return errNot(strings.Join(told, "\n"))
	})
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}
