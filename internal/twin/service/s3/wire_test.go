package s3_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway.dev/internal/twin/wire"
)

func (r *rig) credentials() aws.Credentials {
	id, secret := r.RootKey()
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
}

// send signs a request with the SDK's signer for a payload hash and sends it.
func (r *rig) send(method, host, path, payload, content string, at time.Time, headers ...string) (int, string) {
	r.Helper()
	q, err := http.NewRequest(method, "http://"+r.Address()+path, strings.NewReader(content))
	if err != nil {
		r.Fatal(err)
	}
	if host != "" {
		q.Host = host
	}
	q.Header.Set("X-Amz-Content-Sha256", payload)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	chunk, chunked := strings.CutPrefix(content, "SIGN ")
	if chunked {
		q.ContentLength = int64(len(r.signChunks(strings.Repeat("0", 64), chunk, at.UTC().Format("20060102T150405Z"))))
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(r.ctx, r.credentials(), q, payload, "s3", "us-east-1", at); err != nil {
		r.Fatal(err)
	}
	if chunked { // the chunks' signatures begin with the request's own
		_, seed, _ := strings.Cut(q.Header.Get("Authorization"), "Signature=")
		q.Body = io.NopCloser(strings.NewReader(r.signChunks(seed, chunk, q.Header.Get("X-Amz-Date"))))
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// signChunks is one chunk and a signed trailer, as https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html tells.
func (r *rig) signChunks(seed, content, stamp string) string {
	scope := stamp[:8] + "/us-east-1/s3/aws4_request"
	key := []byte("AWS4" + r.credentials().SecretAccessKey)
	for _, part := range []string{stamp[:8], "us-east-1", "s3", "aws4_request"} {
		key = mac(key, part)
	}
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	sign := func(kind string, lines ...string) string {
		return hex.EncodeToString(mac(key, strings.Join(append([]string{kind, stamp, scope}, lines...), "\n")))
	}
	first := sign("AWS4-HMAC-SHA256-PAYLOAD", seed, sum(""), sum(content))
	last := sign("AWS4-HMAC-SHA256-PAYLOAD", first, sum(""), sum(""))
	trailer := sign("AWS4-HMAC-SHA256-TRAILER", last, sum("x-amz-checksum-crc32:NhCmhg==\n"))
	return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n0;chunk-signature=%s\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:%s\r\n\r\n",
		len(content), first, content, last, trailer)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestChecksumsThatFollowTheContent(t *testing.T) {
	t.Parallel()
	r := start(t)
	const unsigned, signed = "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	for _, c := range []struct {
		name, payload, content string
		status                 int
		code                   string
	}{
		{"right", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 200, ""},
		{"wrong", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 400, "BadDigest"},
		{"cut short", unsigned, "5\r\nhel", 400, "IncompleteBody"},
		{"signed", signed, "SIGN hello", 200, ""},
		{"signed another content", signed, "SIGN hallo", 400, "BadDigest"},
	} {
		status, text := r.send("PUT", "", "/b-1/"+strings.ReplaceAll(c.name, " ", "-"), c.payload, c.content, time.Now(), "X-Amz-Trailer", "x-amz-checksum-crc32",
			"X-Amz-Decoded-Content-Length", "5", "Content-Encoding", "aws-chunked")
		if status != c.status || !strings.Contains(text, c.code) {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
	}
	if r.read("right") != "hello" || r.read("signed") != "hello" {
		t.Error("the content is not what was sent")
	}
	out, err := r.HeadObject(r.ctx, head("right"))
	if err != nil || wire.Value(out.ChecksumCRC32) != "NhCmhg==" || out.ContentEncoding != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestABucketInTheHostName(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("dir/k", "hello")
	for _, host := range []string{"b-1.s3.localhost:4566", "b-1.s3.us-east-1.localhost", "b-1.localhost:4566", "b-1.s3.amazonaws.com"} {
		if status, text := r.send("GET", host, "/dir/k", "UNSIGNED-PAYLOAD", "", time.Now()); status != 200 || text != "hello" {
			t.Errorf("%s: %d %s", host, status, text)
		}
	}
	for _, host := range []string{"s3.localhost:4566", "s3.us-east-1.amazonaws.com", "localhost"} {
		if status, text := r.send("GET", host, "/b-1/dir/k", "UNSIGNED-PAYLOAD", "", time.Now()); status != 200 || text != "hello" {
			t.Errorf("%s: %d %s", host, status, text)
		}
	}
	if status, text := r.send("GET", "", "/", "UNSIGNED-PAYLOAD", "", time.Now()); status != 200 || !strings.Contains(text, "<ListAllMyBucketsResult") {
		t.Errorf("%d %s", status, text)
	}
	if status, text := r.send("PUT", "", "/b-1/k?select", "UNSIGNED-PAYLOAD", "x", time.Now()); status != 501 {
		t.Errorf("an unknown subresource: %d %s", status, text)
	}
	if status, text := r.send("GET", "", "/b-1/dir/k", "UNSIGNED-PAYLOAD", "", time.Now().Add(-time.Hour)); status != 403 || !strings.Contains(text, "RequestTimeTooSkewed") {
		t.Errorf("an old signature: %d %s", status, text)
	}
}

func TestTheGoSDK(t *testing.T) {
	t.Parallel()
	r := start(t)
	c := sdk.New(sdk.Options{BaseEndpoint: aws.String("http://" + r.Address()), Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return r.credentials(), nil })})
	if _, err := c.PutObject(r.ctx, &sdk.PutObjectInput{Bucket: aws.String("b-1"), Key: aws.String("a b/ü+%"), Body: strings.NewReader("hello"), Metadata: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	out, err := c.GetObject(r.ctx, &sdk.GetObjectInput{Bucket: aws.String("b-1"), Key: aws.String("a b/ü+%"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if b, err := io.ReadAll(out.Body); string(b) != "hello" || err != nil || out.Metadata["k"] != "v" {
		t.Errorf("%q, %v, %v", b, err, out.Metadata)
	}
	list, err := c.ListObjectsV2(r.ctx, &sdk.ListObjectsV2Input{Bucket: aws.String("b-1"), EncodingType: types.EncodingTypeUrl})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != "a%20b/%C3%BC%2B%25" {
		t.Errorf("%+v, %v", list, err)
	}
	gone, err := c.DeleteObjects(r.ctx, &sdk.DeleteObjectsInput{Bucket: aws.String("b-1"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("a b/ü+%")}, {Key: aws.String("none")}}}})
	if err != nil || len(gone.Deleted) != 2 {
		t.Errorf("%+v, %v", gone, err)
	}
	if _, err := c.CopyObject(r.ctx, &sdk.CopyObjectInput{Bucket: aws.String("b-1"), Key: aws.String("x"), CopySource: aws.String("b-1/none")}); err == nil || !strings.Contains(err.Error(), "NoSuchKey") {
		t.Errorf("copy of nothing: %v", err)
	}
}
