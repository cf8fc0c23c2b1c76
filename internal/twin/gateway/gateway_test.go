package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/wire"
)

const (
	keyID     = "AKIDEXAMPLE"
	secret    = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	sessionID = "ASIAEXAMPLE"
	token     = "a session's token"
)

var now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

type keyring map[string]Credential

func (k keyring) Credential(_ context.Context, id string) (Credential, error) {
	c, ok := k[id]
	if !ok {
		return c, ErrUnknownKey
	}
	return c, nil
}

type record struct {
	lock  sync.Mutex
	calls []Call
}

func (r *record) Record(c Call) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.calls = append(r.calls, c)
}

// door is a gateway with one operation of each of four protocols; what was put into the bucket ends up in stored.
type door struct {
	*httptest.Server
	gateway *Gateway
	audit   *record
	stored  []byte
	failed  error
}

func open(t *testing.T) *door {
	t.Helper()
	d := &door{audit: &record{}}
	me := operation.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ann", UserID: "AIDAEXAMPLE"}
	d.gateway = New(Options{
		Credentials: keyring{keyID: {Secret: secret, Caller: me}, sessionID: {Secret: secret, SessionToken: token, Expires: now.Add(time.Hour), Caller: me}},
		Auditor:     d.audit, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	d.gateway.Register(&operation.Service{API: sts.API, Operations: []operation.Operation{
		operation.Of("GetCallerIdentity", func(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			c := operation.CallerOf(ctx)
			return &sts.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.Region}, nil
		}),
		operation.Of("GetAccessKeyInfo", func(context.Context, *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
			panic("out of its mind")
		}),
	}})
	d.gateway.Register(&operation.Service{API: kms.API, Operations: []operation.Operation{
		operation.Of("GenerateRandom", func(_ context.Context, in *kms.GenerateRandomInput) (*kms.GenerateRandomOutput, error) {
			return &kms.GenerateRandomOutput{Plaintext: make([]byte, *in.NumberOfBytes)}, nil
		}),
		operation.Of("ListKeys", func(context.Context, *kms.ListKeysInput) (*kms.ListKeysOutput, error) {
			return nil, errors.New("the disk says no")
		}),
	}})
	d.gateway.Register(&operation.Service{API: ec2.API})
	d.gateway.Register(&operation.Service{API: s3.API, Operations: []operation.Operation{
		operation.Of("PutObject", func(_ context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
			d.stored, d.failed = io.ReadAll(in.Body)
			return &s3.PutObjectOutput{}, d.failed
		}),
		operation.Of("GetObject", func(context.Context, *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
			return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader("contents"))}, nil
		}),
	}})
	d.Server = httptest.NewServer(d.gateway)
	t.Cleanup(d.Close)
	return d
}

// ask sends a request and returns the status, the body and the headers.
func (d *door) ask(t *testing.T, r *http.Request) (int, string, http.Header) {
	t.Helper()
	res, err := d.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func (d *door) request(t *testing.T, method, path, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, d.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
}

func sum(body string) string {
	b := sha256.Sum256([]byte(body))
	return hex.EncodeToString(b[:])
}

// sign signs with the SDK's own signer, so that both ends were not written by one hand.
func sign(t *testing.T, r *http.Request, c aws.Credentials, service, payload string, at time.Time) *http.Request {
	t.Helper()
	err := v4.NewSigner().SignHTTP(context.Background(), c, r, payload, service, "eu-west-1", at, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = service == "s3"
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15"

func (d *door) identity(t *testing.T) *http.Request {
	return d.request(t, http.MethodPost, "/", whoAmI, "Content-Type", "application/x-www-form-urlencoded")
}

func TestASignedRequestRunsAsItsSigner(t *testing.T) {
	t.Parallel()
	d := open(t)
	status, body, header := d.ask(t, sign(t, d.identity(t), credentials(), "sts", sum(whoAmI), now))
	if status != 200 || !strings.Contains(body, "<Arn>arn:aws:iam::111122223333:user/ann</Arn>") || !strings.Contains(body, "<UserId>eu-west-1</UserId>") {
		t.Fatalf("%d %s", status, body)
	}
	if len(d.audit.calls) != 1 {
		t.Fatalf("audit = %+v", d.audit.calls)
	}
	call := d.audit.calls[0]
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(call.ID) {
		t.Errorf("request id %s is no UUID", call.ID)
	}
	if call.Operation != "GetCallerIdentity" || call.Caller.AccessKeyID != keyID || call.ErrorCode != "" || call.ID != header.Get("X-Amzn-Requestid") {
		t.Errorf("audit = %+v", call)
	}
}

// The codes are those of https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html, and of JSON services, EC2 and S3.
func TestRefusalsInTheWordsOfEachProtocol(t *testing.T) {
	t.Parallel()
	d := open(t)
	type shape struct {
		service, method, path, body string
		header                      []string
	}
	shapes := map[string]shape{
		"query": {"sts", "POST", "/", whoAmI, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"json":  {"kms", "POST", "/", `{"NumberOfBytes":4}`, []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "TrentService.GenerateRandom"}},
		"ec2":   {"ec2", "POST", "/", "Action=DescribeVpcs&Version=2016-11-15", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"s3":    {"s3", "GET", "/bucket/key", "", nil},
	}
	wrong, unknown := credentials(), credentials()
	wrong.SecretAccessKey, unknown.AccessKeyID = "wrong", "AKIDUNKNOWN"
	forged := aws.Credentials{AccessKeyID: sessionID, SecretAccessKey: secret, SessionToken: "forged"}
	for name, want := range map[string]struct {
		by    aws.Credentials
		at    time.Time
		codes map[string]string
	}{
		"wrong secret": {wrong, now, map[string]string{"query": "SignatureDoesNotMatch", "json": "InvalidSignatureException", "ec2": "SignatureDoesNotMatch", "s3": "SignatureDoesNotMatch"}},
		"unknown key":  {unknown, now, map[string]string{"query": "InvalidClientTokenId", "json": "UnrecognizedClientException", "ec2": "AuthFailure", "s3": "InvalidAccessKeyId"}},
		"forged token": {forged, now, map[string]string{"query": "InvalidClientTokenId", "json": "UnrecognizedClientException", "ec2": "AuthFailure", "s3": "InvalidAccessKeyId"}},
		"old":          {credentials(), now.Add(-16 * time.Minute), map[string]string{"query": "SignatureDoesNotMatch", "json": "InvalidSignatureException", "ec2": "RequestExpired", "s3": "RequestTimeTooSkewed"}},
		"ahead":        {credentials(), now.Add(16 * time.Minute), map[string]string{"query": "SignatureDoesNotMatch", "json": "InvalidSignatureException", "ec2": "RequestExpired", "s3": "RequestTimeTooSkewed"}},
	} {
		for protocol, s := range shapes {
			r := d.request(t, s.method, s.path, s.body, s.header...)
			r.Header.Set("X-Amz-Content-Sha256", sum(s.body))
			status, body, _ := d.ask(t, sign(t, r, want.by, s.service, sum(s.body), want.at))
			if status < 400 || !strings.Contains(body, want.codes[protocol]) {
				t.Errorf("%s, %s: %d %s; want %s", name, protocol, status, body, want.codes[protocol])
			}
		}
	}
	r := d.request(t, "GET", "/bucket/key", "")
	r.Header.Set("X-Amz-Content-Sha256", sum(""))
	if _, body, _ := d.ask(t, sign(t, r, unknown, "s3", sum(""), now)); !strings.Contains(body, "The AWS Access Key Id you provided does not exist in our records.") {
		t.Errorf("S3 says of an unknown key: %s", body)
	}
	_, body, _ := d.ask(t, sign(t, d.identity(t), credentials(), "sts", sum(whoAmI), now.Add(-6*time.Minute)))
	if want := "Signature expired: 20260504T025601Z is now earlier than 20260504T025701Z (20260504T030201Z - 5 min.)"; !strings.Contains(body, want) {
		t.Errorf("%s lacks %s", body, want)
	}
}

func TestAnExpiredSessionIsTold(t *testing.T) {
	t.Parallel()
	d := open(t)
	c := aws.Credentials{AccessKeyID: sessionID, SecretAccessKey: secret, SessionToken: token}
	if status, body, _ := d.ask(t, sign(t, d.identity(t), c, "sts", sum(whoAmI), now)); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	d.gateway.now = func() time.Time { return now.Add(2 * time.Hour) }
	status, body, _ := d.ask(t, sign(t, d.identity(t), c, "sts", sum(whoAmI), now.Add(2*time.Hour)))
	if status != http.StatusForbidden || !strings.Contains(body, "<Code>ExpiredToken</Code>") {
		t.Errorf("%d %s", status, body)
	}
}

func TestWhatWasSignedCannotBeChanged(t *testing.T) {
	t.Parallel()
	d := open(t)
	for name, change := range map[string]func(r *http.Request){
		"body": func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(whoAmI, "2011", "2012", 1)))
		},
		"query":  func(r *http.Request) { r.URL.RawQuery = "Action=Other" },
		"path":   func(r *http.Request) { r.URL.Path = "/other" },
		"method": func(r *http.Request) { r.Method = http.MethodPut },
		"date":   func(r *http.Request) { r.Header.Set("X-Amz-Date", now.Add(time.Second).Format(stamp)) },
		"service": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/sts/", "/ec2/", 1))
		},
		"headers": func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		},
	} {
		r := sign(t, d.identity(t), credentials(), "sts", sum(whoAmI), now)
		change(r)
		if status, body, _ := d.ask(t, r); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestMalformedSignatures(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, header := range []string{
		algorithm, algorithm + " Credential=x", algorithm + " Credential=a/20260504/eu-west-1/sts/aws4_request",
		algorithm + " Credential=a/20260504/eu-west-1/sts/aws5_request, SignedHeaders=host, Signature=00",
	} {
		r := d.identity(t)
		r.Header.Set("Authorization", header)
		if status, body, _ := d.ask(t, r); status < 400 || status >= 500 {
			t.Errorf("%q: %d %s", header, status, body)
		}
	}
	if status, body, _ := d.ask(t, d.identity(t)); status != http.StatusForbidden || !strings.Contains(body, "MissingAuthenticationToken") {
		t.Errorf("unsigned: %d %s", status, body)
	}
}

func TestPresignedURLs(t *testing.T) {
	t.Parallel()
	d := open(t)
	presign := func(path, seconds string, at time.Time) *http.Request {
		r := d.request(t, http.MethodGet, path+"?X-Amz-Expires="+seconds, "")
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials(), r, unsignedPayload, "s3", "eu-west-1", at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		return r
	}
	for _, path := range []string{"/bucket/key", "/bucket/a%20b/%C3%A9%2Bc"} {
		if status, body, _ := d.ask(t, presign(path, "60", now)); status != 200 || body != "contents" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body, _ := d.ask(t, presign("/bucket/key", "60", now.Add(-61*time.Second))); status != http.StatusForbidden || !strings.Contains(body, "<Message>Request has expired</Message>") {
		t.Errorf("expired: %d %s", status, body)
	}
	for _, seconds := range []string{"0", "-5", "604801", "soon"} {
		if status, body, _ := d.ask(t, presign("/bucket/key", seconds, now)); status < 400 || status >= 500 {
			t.Errorf("%s seconds: %d %s", seconds, status, body)
		}
	}
	other := presign("/bucket/key", "60", now)
	other.URL.Path = "/bucket/other"
	if status, body, _ := d.ask(t, other); status != http.StatusForbidden {
		t.Errorf("another key: %d %s", status, body)
	}
}

// chunks encodes a body the way the SDKs stream it: every chunk signed with the one before.
func chunks(seed string, sizes []int, body string, at time.Time) string {
	key := signingKey(secret, at.Format("20060102"), "eu-west-1", "s3")
	scope := at.Format("20060102") + "/eu-west-1/s3/aws4_request"
	var out strings.Builder
	previous := seed
	for _, n := range append(sizes, 0) {
		data := body[:n]
		body = body[n:]
		previous = hexMAC(key, strings.Join([]string{algorithm + "-PAYLOAD", at.Format(stamp), scope, previous, sum(""), sum(data)}, "\n"))
		fmt.Fprintf(&out, "%x;chunk-signature=%s\r\n%s\r\n", n, previous, data)
	}
	return out.String()
}

func TestChunkedUploads(t *testing.T) {
	t.Parallel()
	const body = "the first chunk and the second"
	const signedPayload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	send := func(d *door, payload string, encode func(seed string) string) (int, string) {
		r := d.request(t, http.MethodPut, "/bucket/key", "", "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(len(body)), "X-Amz-Content-Sha256", payload)
		sign(t, r, credentials(), "s3", payload, now)
		_, seed, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		encoded := encode(seed)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
		status, text, _ := d.ask(t, r)
		return status, text
	}
	good := func(seed string) string { return chunks(seed, []int{16, 14}, body, now) }
	unsigned := func(string) string {
		return "10\r\nthe first chunk \r\ne\r\nand the second\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
	}
	for name, c := range map[string]struct {
		payload string
		encode  func(string) string
		code    string
	}{
		"signed":           {signedPayload, good, ""},
		"unsigned trailer": {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", unsigned, ""},
		"changed":          {signedPayload, func(s string) string { return strings.Replace(good(s), "first", "worst", 1) }, "SignatureDoesNotMatch"},
		"cut short":        {signedPayload, func(s string) string { return good(s)[:80] }, "IncompleteBody"},
		"last chunk forged": {signedPayload, func(s string) string {
			return strings.Replace(good(s), "\r\n0;chunk-signature=", "\r\n0;chunk-signature=f", 1)
		}, "SignatureDoesNotMatch"},
		"no size": {signedPayload, func(string) string { return "zz;chunk-signature=\r\n" }, "InvalidRequest"},
	} {
		d := open(t)
		status, text := send(d, c.payload, c.encode)
		if c.code == "" && (status != 200 || string(d.stored) != body) {
			t.Errorf("%s: %d %s, stored %q, %v", name, status, text, d.stored, d.failed)
		}
		if c.code != "" && !strings.Contains(text, "<Code>"+c.code+"</Code>") {
			t.Errorf("%s: %d %s; want %s", name, status, text, c.code)
		}
	}
}

func TestABodyThatIsNotTheSignedOneIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := d.request(t, http.MethodPut, "/bucket/key", "body", "X-Amz-Content-Sha256", sum("body"))
	sign(t, r, credentials(), "s3", sum("body"), now)
	r.Body = io.NopCloser(bytes.NewReader([]byte("yodb")))
	if status, text, _ := d.ask(t, r); status != http.StatusBadRequest || !strings.Contains(text, "XAmzContentSHA256Mismatch") {
		t.Errorf("%d %s", status, text)
	}
}

func TestUnknownServicesAndOperations(t *testing.T) {
	t.Parallel()
	d := open(t)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	json := func(target string) []string {
		return []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", target}
	}
	for name, c := range map[string]struct {
		service, body string
		header        []string
		status        int
		text          string
	}{
		"service":              {"braket", "{}", json("Braket.Go"), 404, "UnknownOperationException"},
		"query operation":      {"sts", "Action=Nothing&Version=2011-06-15", form, 400, "InvalidAction"},
		"json operation":       {"kms", "{}", json("TrentService.Nothing"), 400, "UnknownOperationException"},
		"not served":           {"kms", `{"KeyId":"x"}`, json("TrentService.GetPublicKey"), 501, "The twin does not serve kms:GetPublicKey"},
		"unknown member":       {"kms", `{"NumberOfBytes":4,"Colour":"red"}`, json("TrentService.GenerateRandom"), 400, "SerializationException"},
		"constraint":           {"kms", `{"NumberOfBytes":4096}`, json("TrentService.GenerateRandom"), 400, "1 validation error detected: Value '4096' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		"panic":                {"sts", "Action=GetAccessKeyInfo&AccessKeyId=AKIDEXAMPLEEXAMPLE12", form, 500, "InternalFailure"},
		"failure of the house": {"kms", "{}", json("TrentService.ListKeys"), 500, "InternalFailure"},
	} {
		r := sign(t, d.request(t, http.MethodPost, "/", c.body, c.header...), credentials(), c.service, sum(c.body), now)
		if status, body, _ := d.ask(t, r); status != c.status || !strings.Contains(body, c.text) {
			t.Errorf("%s: %d %s; want %d %s", name, status, body, c.status, c.text)
		}
	}
}

type refuseAll struct{}

func (refuseAll) Authorize(_ context.Context, c *Call) error {
	return &wire.Error{Code: "AccessDenied", Message: c.Service + ":" + c.Operation, Status: 403}
}

func TestCallsBetweenServicesPassTheSameDoor(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx := operation.AsService(t.Context(), "ecs.amazonaws.com", "111122223333", "us-east-1")
	client := kms.Client{Invoker: d.gateway}
	if out, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(8)}); err != nil || len(out.Plaintext) != 8 {
		t.Fatalf("%v, %v", out, err)
	}
	if _, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(4096)}); !wire.HasCode(err, "ValidationException") {
		t.Errorf("unchecked input: %v", err)
	}
	if c := d.audit.calls[0]; !c.Internal || c.Caller.Service != "ecs.amazonaws.com" || c.Operation != "GenerateRandom" {
		t.Errorf("audit = %+v", c)
	}
	d.gateway.authorizer = refuseAll{}
	if _, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(8)}); !wire.HasCode(err, "AccessDenied") {
		t.Errorf("unauthorised: %v", err)
	}
}

func TestSigningNamesAreThoseOfTheModels(t *testing.T) {
	t.Parallel()
	d := open(t)
	for name, s := range d.gateway.Services() {
		m, err := s.API.Model()
		if err != nil {
			t.Fatal(err)
		}
		if d.gateway.signing[m.Metadata.Signing()] != s {
			t.Errorf("%s is signed for %s, and not found by it", name, m.Metadata.Signing())
		}
	}
}

func FuzzAuthorizationHeader(f *testing.F) {
	f.Add(algorithm + " Credential=a/20260504/eu-west-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Add(algorithm + " Credential=////, SignedHeaders=, Signature=")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodPost, "http://twin/", strings.NewReader("x"))
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Date", now.Format(stamp))
		s, err := parseSignature(r)
		if s == nil || err != nil {
			return
		}
		if s.check(r, secret, now) == nil {
			t.Fatalf("%q passed as a signature", header)
		}
	})
}

func FuzzChunks(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\n\r\n")
	f.Add("ffffffffffffffff\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPut, "http://twin/b/k", strings.NewReader(body))
		c := newChunkReader(r, &signature{}, nil, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		if got, err := io.ReadAll(c); len(got) > len(body) {
			t.Fatalf("%d bytes out of %d, %v", len(got), len(body), err)
		}
	})
}
