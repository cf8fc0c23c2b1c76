package wire_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/wire"
)

// store3 answers every request of an S3 client with one output and keeps the input.
func store3(t *testing.T, in any, out any) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := s3.API.Route(r)
		if err == nil {
			err = q.Decode(in)
		}
		if err == nil {
			err = q.WriteOutput(w, out, "id-1")
		}
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, Credentials: aws.AnonymousCredentials{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, Retryer: aws.NopRetryer{}})
}

const object = "a b/é+c?d=e&<f>"

func TestS3BodiesAndLocationsAgainstTheSDK(t *testing.T) {
	t.Parallel()
	in := &s3.DeleteObjectsInput{}
	c := store3(t, in, &s3.DeleteObjectsOutput{Deleted: []s3.DeletedObject{{Key: new(object), DeleteMarker: new(true)}}})
	out, err := c.DeleteObjects(t.Context(), &sdk.DeleteObjectsInput{Bucket: new("bucket"), Delete: &types.Delete{Quiet: new(true),
		Objects: []types.ObjectIdentifier{{Key: new(object), VersionId: new("v1")}, {Key: new("two")}}}})
	if err != nil || len(out.Deleted) != 1 || *out.Deleted[0].Key != object || !*out.Deleted[0].DeleteMarker {
		t.Errorf("%+v, %v", out, err)
	}
	if in.Bucket != "bucket" || !*in.Delete.Quiet || len(in.Delete.Objects) != 2 || in.Delete.Objects[0].Key != object || *in.Delete.Objects[0].VersionId != "v1" {
		t.Errorf("read %+v", in)
	}
}

func TestS3ObjectsAgainstTheSDK(t *testing.T) {
	t.Parallel()
	in := &s3.GetObjectInput{}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := store3(t, in, &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader("contents")), ContentType: new("text/plain"),
		ETag: new(`"abc"`), LastModified: &at, Metadata: map[string]string{"colour": "red"}, ContentLength: new(8)})
	out, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: new("bucket"), Key: new(object), Range: new("bytes=0-7"), IfModifiedSince: &at, VersionId: new("v 1")})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(out.Body)
	if err != nil || string(body) != "contents" || *out.ContentType != "text/plain" || !out.LastModified.Equal(at) || !reflect.DeepEqual(out.Metadata, map[string]string{"colour": "red"}) {
		t.Errorf("%q, %+v, %v", body, out, err)
	}
	if in.Key != object || *in.Range != "bytes=0-7" || !in.IfModifiedSince.Equal(at) || *in.VersionId != "v 1" {
		t.Errorf("read %+v", in)
	}
}

func TestS3ListingsAgainstTheSDK(t *testing.T) {
	t.Parallel()
	in := &s3.ListObjectsV2Input{}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := store3(t, in, &s3.ListObjectsV2Output{Name: new("bucket"), KeyCount: new(1), IsTruncated: new(true), NextContinuationToken: new("t"),
		Contents: []s3.Object{{Key: new(object), Size: new(7), LastModified: &at, ETag: new(`"abc"`)}}, CommonPrefixes: []s3.CommonPrefix{{Prefix: new("p/")}, {Prefix: new("q/")}}})
	out, err := c.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: new("bucket"), Prefix: new("a b&c"), Delimiter: new("/"), MaxKeys: new(int32(3))})
	if err != nil || len(out.Contents) != 1 || *out.Contents[0].Key != object || *out.Contents[0].Size != 7 || len(out.CommonPrefixes) != 2 || !*out.IsTruncated {
		t.Errorf("%+v, %v", out, err)
	}
	if *in.Prefix != "a b&c" || *in.Delimiter != "/" || *in.MaxKeys != 3 {
		t.Errorf("read %+v", in)
	}
}

func TestS3RoutesAreTheSDKs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/", "ListBuckets"}, {"PUT", "/b", "CreateBucket"}, {"PUT", "/b/", "CreateBucket"}, {"HEAD", "/b", "HeadBucket"}, {"DELETE", "/b", "DeleteBucket"},
		{"GET", "/b?list-type=2", "ListObjectsV2"}, {"GET", "/b", "ListObjects"}, {"GET", "/b?versions", "ListObjectVersions"}, {"GET", "/b?location", "GetBucketLocation"},
		{"GET", "/b/k/with/slashes", "GetObject"}, {"PUT", "/b/k", "PutObject"}, {"POST", "/b/k?uploads", "CreateMultipartUpload"},
		{"PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"}, {"POST", "/b/k?uploadId=u", "CompleteMultipartUpload"}, {"POST", "/b?delete", "DeleteObjects"},
		{"GET", "/b/k?uploadId=u", "ListParts"}, {"DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"},
	} {
		q, err := s3.API.Route(httptest.NewRequest(c.method, c.target, nil))
		if err != nil || q.Op.Name != c.want {
			t.Errorf("%s %s: %+v, %v; want %s", c.method, c.target, q.Op, err, c.want)
		}
	}
	r := httptest.NewRequest(http.MethodPut, "/b/k", nil)
	r.Header.Set("X-Amz-Copy-Source", "/b/other")
	if q, err := s3.API.Route(r); err != nil || q.Op.Name != "CopyObject" {
		t.Errorf("a copy: %+v, %v", q.Op, err)
	}
	if _, err := s3.API.Route(httptest.NewRequest(http.MethodPatch, "/b/k", nil)); !wire.HasCode(err, "MethodNotAllowed") {
		t.Errorf("PATCH: %v", err)
	}
}
