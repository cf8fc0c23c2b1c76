package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// rig is a twin with a bucket named "b".
type rig struct {
	*testing.T
	*twintest.Twin
	api.Client
	ctx context.Context
}

func start(t *testing.T) *rig { return startIn(t, t.TempDir()) }

func startIn(t *testing.T, dir string) *rig {
	t.Helper()
	w := twintest.StartIn(t, dir)
	r := &rig{T: t, Twin: w, Client: api.Client{Invoker: w.Invoker}, ctx: w.Context}
	if _, err := r.CreateBucket(r.ctx, &api.CreateBucketInput{Bucket: "b-1"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func body(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

func (r *rig) put(key, content string) *api.PutObjectOutput {
	r.Helper()
	out, err := r.PutObject(r.ctx, &api.PutObjectInput{Bucket: "b-1", Key: key, Body: body(content)})
	if err != nil {
		r.Fatalf("put %s: %v", key, err)
	}
	return out
}

func (r *rig) read(key string) string {
	r.Helper()
	out, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: "b-1", Key: key})
	if err != nil {
		r.Fatalf("get %s: %v", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		r.Fatal(err)
	}
	return string(b)
}

func (r *rig) files() (n int) {
	r.Helper()
	err := filepath.WalkDir(filepath.Join(r.Dir, "objects"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return n
}

func (r *rig) versions(status string) {
	r.Helper()
	_, err := r.PutBucketVersioning(r.ctx, &api.PutBucketVersioningInput{Bucket: "b-1", VersioningConfiguration: &api.VersioningConfiguration{Status: &status}})
	if err != nil {
		r.Fatal(err)
	}
}

func head(key string) *api.HeadObjectInput {
	return &api.HeadObjectInput{Bucket: "b-1", Key: key, ChecksumMode: new("ENABLED")}
}

func TestAnObjectComesBackAsItWasPut(t *testing.T) {
	t.Parallel()
	r := start(t)
	sum := md5.Sum([]byte("hello"))
	out, err := r.PutObject(r.ctx, &api.PutObjectInput{Bucket: "b-1", Key: "k", Body: body("hello"), ContentType: new("text/plain"), ContentEncoding: new("aws-chunked,gzip"),
		Metadata: map[string]string{"who": "me"}, Tagging: new("a=b%20c&d="), ChecksumCRC64NVME: new("M3eFcAZSQlc=")})
	if err != nil || *out.ETag != `"`+hex.EncodeToString(sum[:])+`"` {
		t.Fatalf("%v, %v", out, err)
	}
	got, err := r.HeadObject(r.ctx, &api.HeadObjectInput{Bucket: "b-1", Key: "k", ChecksumMode: new("ENABLED")})
	if err != nil {
		t.Fatal(err)
	}
	if *got.ContentType != "text/plain" || *got.ContentEncoding != "gzip" || got.Metadata["who"] != "me" || *got.ContentLength != 5 || *got.TagCount != 2 ||
		*got.ServerSideEncryption != "AES256" || *got.ChecksumType != "FULL_OBJECT" || got.VersionId != nil {
		t.Errorf("%+v", got)
	}
	if r.read("k") != "hello" {
		t.Error("content changed")
	}
	r.put("k", "again")
	if n := r.files(); n != 1 {
		t.Errorf("%d files for one object", n)
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("k", "hello")
	get := func(in api.GetObjectInput) error {
		in.Bucket, in.Key = "b-1", "k"
		out, err := r.GetObject(r.ctx, &in)
		if err == nil {
			out.Body.Close()
		}
		return err
	}
	put := func(in api.PutObjectInput) error {
		in.Bucket, in.Key, in.Body = "b-1", "k", body("hello")
		_, err := r.PutObject(r.ctx, &in)
		return err
	}
	elsewhere := func(key, bucket string) error {
		_, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: bucket, Key: key})
		return err
	}
	bucket := func(name string) error {
		_, err := r.CreateBucket(r.ctx, &api.CreateBucketInput{Bucket: name})
		return err
	}
	now := time.Now()
	for _, c := range []struct {
		what string
		code string
		err  error
	}{
		{"no bucket", "NoSuchBucket", elsewhere("k", "nowhere")},
		{"no key", "NoSuchKey", elsewhere("none", "b-1")},
		{"if-match", "PreconditionFailed", get(api.GetObjectInput{IfMatch: new(`"x"`)})},
		{"if-none-match", "NotModified", get(api.GetObjectInput{IfNoneMatch: new("*")})},
		{"if-modified-since", "NotModified", get(api.GetObjectInput{IfModifiedSince: new(now.Add(time.Hour))})},
		{"if-unmodified-since", "PreconditionFailed", get(api.GetObjectInput{IfUnmodifiedSince: new(now.Add(-time.Hour))})},
		{"range", "InvalidRange", get(api.GetObjectInput{Range: new("bytes=5-")})},
		{"version", "NoSuchVersion", get(api.GetObjectInput{VersionId: new("x")})},
		{"put over", "PreconditionFailed", put(api.PutObjectInput{IfNoneMatch: new("*")})},
		{"put unless", "PreconditionFailed", put(api.PutObjectInput{IfMatch: new("x")})},
		{"md5", "BadDigest", put(api.PutObjectInput{ContentMD5: new(base64.StdEncoding.EncodeToString(make([]byte, 16)))})},
		{"md5 malformed", "InvalidDigest", put(api.PutObjectInput{ContentMD5: new("x")})},
		{"crc32", "BadDigest", put(api.PutObjectInput{ChecksumCRC32: new("AAAAAA==")})},
		{"two checksums", "InvalidRequest", put(api.PutObjectInput{ChecksumCRC32: new("AAAAAA=="), ChecksumSHA1: new("x")})},
		{"acl", "AccessControlListNotSupported", put(api.PutObjectInput{ACL: new("public-read")})},
		{"upper case", "InvalidBucketName", bucket("Upper")},
		{"an address", "InvalidBucketName", bucket("10.0.0.1")},
		{"two dots", "InvalidBucketName", bucket("a..b")},
	} {
		if !wire.HasCode(c.err, c.code) {
			t.Errorf("%s: %v, want %s", c.what, c.err, c.code)
		}
	}
	if n := r.files(); n != 1 {
		t.Errorf("%d files: refused writes left theirs", n)
	}
}

func TestBucketNamesAreUniqueInTheCloud(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, err := r.CreateBucket(twintest.As(t.Context(), "111111111111", "us-east-1"), &api.CreateBucketInput{Bucket: "b-1"})
	if !wire.HasCode(err, "BucketAlreadyExists") {
		t.Errorf("another account: %v", err)
	}
	eu := twintest.As(t.Context(), "000000000000", "eu-west-1")
	_, err = r.CreateBucket(eu, &api.CreateBucketInput{Bucket: "b-1", CreateBucketConfiguration: &api.CreateBucketConfiguration{LocationConstraint: new("eu-west-1")}})
	if !wire.HasCode(err, "BucketAlreadyOwnedByYou") {
		t.Errorf("one's own: %v", err)
	}
	_, err = r.CreateBucket(eu, &api.CreateBucketInput{Bucket: "b-2"})
	if !wire.HasCode(err, "IllegalLocationConstraintException") {
		t.Errorf("no region given: %v", err)
	}
	_, err = r.HeadBucket(twintest.As(t.Context(), "111111111111", "us-east-1"), &api.HeadBucketInput{Bucket: "b-1"})
	if !wire.HasCode(err, "AccessDenied") {
		t.Errorf("a stranger's look: %v", err)
	}
}

func TestRangesCrossChunks(t *testing.T) {
	t.Parallel()
	r := start(t)
	content := string(noise(200_000))
	r.put("k", content)
	for _, c := range []struct {
		header   string
		from, to int
	}{{"bytes=0-0", 0, 1}, {"bytes=65535-65537", 65535, 65538}, {"bytes=-10", 199_990, 200_000}, {"bytes=131072-", 131072, 200_000}, {"bytes=199999-900000", 199_999, 200_000}} {
		out, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: "b-1", Key: "k", Range: &c.header})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || string(got) != content[c.from:c.to] || *out.ContentRange != fmt.Sprintf("bytes %d-%d/200000", c.from, c.to-1) {
			t.Errorf("%s: %d bytes, %s, %v", c.header, len(got), *out.ContentRange, err)
		}
	}
}

func TestNothingLiesOpenOnTheDisk(t *testing.T) {
	t.Parallel()
	r := start(t)
	const canary = "canary-7f3a91-in-the-mine"
	r.put("k", strings.Repeat(canary, 10_000))
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s holds the content in the clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("k", "hello")
	_ = filepath.WalkDir(filepath.Join(r.Dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := os.ReadFile(path)
			b[0] ^= 1
			return os.WriteFile(path, b, 0o600)
		}
		return err
	})
	out, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: "b-1", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if b, err := io.ReadAll(out.Body); err == nil {
		t.Errorf("read %q from a damaged file", b)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("k", "zero")
	r.versions("Enabled")
	one := r.put("k", "one")
	r.put("k", "two")
	gone, err := r.DeleteObject(r.ctx, &api.DeleteObjectInput{Bucket: "b-1", Key: "k"})
	if err != nil || !*gone.DeleteMarker {
		t.Fatalf("%+v, %v", gone, err)
	}
	if _, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: "b-1", Key: "k"}); !wire.HasCode(err, "NoSuchKey") {
		t.Errorf("deleted: %v", err)
	}
	if _, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: "b-1", Key: "k", VersionId: gone.VersionId}); !wire.HasCode(err, "MethodNotAllowed") {
		t.Errorf("a marker: %v", err)
	}
	out, err := r.GetObject(r.ctx, &api.GetObjectInput{Bucket: "b-1", Key: "k", VersionId: one.VersionId})
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(out.Body); string(b) != "one" {
		t.Errorf("version one is %q", b)
	}
	out.Body.Close()
	all, err := r.ListObjectVersions(r.ctx, &api.ListObjectVersionsInput{Bucket: "b-1"})
	if err != nil || len(all.Versions) != 3 || len(all.DeleteMarkers) != 1 || !*all.DeleteMarkers[0].IsLatest || *all.Versions[2].VersionId != "null" {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := r.DeleteBucket(r.ctx, &api.DeleteBucketInput{Bucket: "b-1"}); !wire.HasCode(err, "BucketNotEmpty") {
		t.Errorf("delete with versions: %v", err)
	}
	if _, err := r.DeleteObject(r.ctx, &api.DeleteObjectInput{Bucket: "b-1", Key: "k", VersionId: gone.VersionId}); err != nil {
		t.Fatal(err)
	}
	if r.read("k") != "two" {
		t.Error("removing the marker did not bring the object back")
	}
	if got := r.versionPages(); len(got) != 3 || got[0] == got[1] || got[1] == got[2] {
		t.Errorf("one version a page: %q", got)
	}
	r.versions("Suspended")
	r.put("k", "null again")
	all, err = r.ListObjectVersions(r.ctx, &api.ListObjectVersionsInput{Bucket: "b-1"})
	if err != nil || len(all.Versions) != 3 || *all.Versions[0].VersionId != "null" {
		t.Errorf("suspended: %+v, %v", all, err)
	}
	if n := r.files(); n != 3 {
		t.Errorf("%d files for three versions", n)
	}
}

// versionPages lists the versions one at a time.
func (r *rig) versionPages() (ids []string) {
	r.Helper()
	in := &api.ListObjectVersionsInput{Bucket: "b-1", MaxKeys: new(1)}
	for {
		out, err := r.ListObjectVersions(r.ctx, in)
		if err != nil || len(out.Versions) != 1 {
			r.Fatal(out, err)
		}
		ids = append(ids, *out.Versions[0].VersionId)
		if !*out.IsTruncated {
			return ids
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	r := start(t)
	keys := []string{"a", "dir/1", "dir/2", "dir/sub/3", "dir0", "ü/x", "z z+"}
	for _, k := range keys {
		r.put(k, k)
	}
	for _, c := range []struct {
		name              string
		in                api.ListObjectsV2Input
		contents, grouped string
	}{
		{"all", api.ListObjectsV2Input{}, strings.Join(keys, " "), ""},
		{"top", api.ListObjectsV2Input{Delimiter: new("/")}, "a dir0 z z+", "dir/ ü/"},
		{"below", api.ListObjectsV2Input{Delimiter: new("/"), Prefix: new("dir/")}, "dir/1 dir/2", "dir/sub/"},
		{"start after", api.ListObjectsV2Input{StartAfter: new("dir/2")}, "dir/sub/3 dir0 ü/x z z+", ""},
		{"start after a group", api.ListObjectsV2Input{StartAfter: new("dir/"), Delimiter: new("/")}, "dir0 z z+", "ü/"},
		{"encoded", api.ListObjectsV2Input{Prefix: new("z"), EncodingType: new("url")}, "z%20z%2B", ""},
		{"nothing", api.ListObjectsV2Input{MaxKeys: new(0)}, "", ""},
	} {
		for _, size := range []int{1, 2, 1000} {
			in := c.in
			if in.MaxKeys == nil {
				in.MaxKeys = &size
			}
			in.Bucket = "b-1"
			contents, grouped := r.pages(&in)
			want := strings.Fields(c.contents)
			if got := strings.Fields(strings.Join(contents, " ")); !sameSet(got, want) || strings.Join(grouped, " ") != c.grouped {
				t.Errorf("%s, %d at a time: %q and %q, want %q and %q", c.name, size, contents, grouped, c.contents, c.grouped)
			}
		}
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func (r *rig) pages(in *api.ListObjectsV2Input) (contents, grouped []string) {
	r.Helper()
	for {
		out, err := r.ListObjectsV2(r.ctx, in)
		if err != nil {
			r.Fatal(err)
		}
		if n := len(out.Contents) + len(out.CommonPrefixes); n != *out.KeyCount || n > *out.MaxKeys {
			r.Errorf("a page of %d says %d, at most %d", n, *out.KeyCount, *out.MaxKeys)
		}
		for _, o := range out.Contents {
			contents = append(contents, *o.Key)
		}
		for _, p := range out.CommonPrefixes {
			grouped = append(grouped, *p.Prefix)
		}
		if !*out.IsTruncated {
			return contents, grouped
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

func TestAnUploadInParts(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME", "SHA256"} {
		for _, kind := range []string{"FULL_OBJECT", "COMPOSITE"} {
			if kind == "FULL_OBJECT" && algorithm == "SHA256" || kind == "COMPOSITE" && algorithm == "CRC64NVME" {
				continue
			}
			t.Run(algorithm+" "+kind, func(t *testing.T) {
				t.Parallel()
				r := start(t)
				content := noise(5<<20 + 5<<20 + 77)
				whole, err := r.PutObject(r.ctx, &api.PutObjectInput{Bucket: "b-1", Key: "whole", Body: body(string(content)), ChecksumAlgorithm: &algorithm})
				if err != nil {
					t.Fatal(err)
				}
				out := r.multipart("k", algorithm, kind, content[:5<<20], content[5<<20:10<<20], content[10<<20:])
				if !strings.HasSuffix(*out.ETag, `-3"`) || r.read("k") != string(content) {
					t.Errorf("etag %s, or the content is another", *out.ETag)
				}
				full := func(crc32, crc32c, crc64, sha *string) string {
					return wire.Value(crc32) + wire.Value(crc32c) + wire.Value(crc64) + wire.Value(sha)
				}
				got, want := full(out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA256), full(whole.ChecksumCRC32, whole.ChecksumCRC32C, whole.ChecksumCRC64NVME, whole.ChecksumSHA256)
				if (got == want) != (kind == "FULL_OBJECT") || kind == "COMPOSITE" && !strings.HasSuffix(got, "-3") {
					t.Errorf("checksum %s, that of the whole is %s", got, want)
				}
				if n := r.files(); n != 4 {
					t.Errorf("%d files, want one and three", n)
				}
			})
		}
	}
}

func (r *rig) multipart(key, algorithm, kind string, pieces ...[]byte) *api.CompleteMultipartUploadOutput {
	r.Helper()
	begun, err := r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadInput{Bucket: "b-1", Key: key, ChecksumAlgorithm: &algorithm, ChecksumType: &kind})
	if err != nil {
		r.Fatal(err)
	}
	in := &api.CompleteMultipartUploadInput{Bucket: "b-1", Key: key, UploadId: *begun.UploadId, MultipartUpload: &api.CompletedMultipartUpload{}}
	for n, piece := range pieces {
		for range 2 { // sent again, a part takes the place of the first
			p, err := r.UploadPart(r.ctx, &api.UploadPartInput{Bucket: "b-1", Key: key, UploadId: *begun.UploadId, PartNumber: n + 1, Body: io.NopCloser(bytes.NewReader(piece))})
			if err != nil {
				r.Fatal(err)
			}
			in.MultipartUpload.Parts = append(in.MultipartUpload.Parts[:n], api.CompletedPart{PartNumber: new(n + 1), ETag: p.ETag})
		}
	}
	out, err := r.CompleteMultipartUpload(r.ctx, in)
	if err != nil {
		r.Fatal(err)
	}
	return out
}

func TestPartsMustBeRight(t *testing.T) {
	t.Parallel()
	r := start(t)
	begun, err := r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadInput{Bucket: "b-1", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	var parts []api.CompletedPart
	for n := range 2 {
		p, err := r.UploadPart(r.ctx, &api.UploadPartInput{Bucket: "b-1", Key: "k", UploadId: *begun.UploadId, PartNumber: n + 1, Body: body("small")})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, api.CompletedPart{PartNumber: new(n + 1), ETag: p.ETag})
	}
	complete := func(parts ...api.CompletedPart) error {
		_, err := r.CompleteMultipartUpload(r.ctx, &api.CompleteMultipartUploadInput{Bucket: "b-1", Key: "k", UploadId: *begun.UploadId, MultipartUpload: &api.CompletedMultipartUpload{Parts: parts}})
		return err
	}
	for code, err := range map[string]error{
		"EntityTooSmall":   complete(parts...),
		"InvalidPartOrder": complete(parts[1], parts[0]),
		"InvalidPart":      complete(parts[0], api.CompletedPart{PartNumber: new(3), ETag: new("x")}),
		"MalformedXML":     complete(),
	} {
		if !wire.HasCode(err, code) {
			t.Errorf("%v, want %s", err, code)
		}
	}
	if _, err := r.AbortMultipartUpload(r.ctx, &api.AbortMultipartUploadInput{Bucket: "b-1", Key: "k", UploadId: *begun.UploadId}); err != nil {
		t.Fatal(err)
	}
	if err := complete(parts[0]); !wire.HasCode(err, "NoSuchUpload") {
		t.Errorf("after the abort: %v", err)
	}
	if n := r.files(); n != 0 {
		t.Errorf("%d files left", n)
	}
}

func TestAFileWithoutARowIsSweptAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := startIn(t, dir)
	r.put("k", "hello")
	r.Stop(t)
	orphan := filepath.Join(dir, "objects", "ab", "abcdef")
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = startIn(t, dir)
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.files() != 1 {
		select {
		case <-tick.C: // the sweep tells nobody
		case <-deadline:
			t.Fatal("the orphan is still there")
		}
	}
	if r.read("k") != "hello" {
		t.Error("the object did not survive")
	}
}
