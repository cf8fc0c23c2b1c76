package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/twintest"
)

func BenchmarkPut16MiB(b *testing.B) {
	w := twintest.Start(b)
	c := api.Client{Invoker: w.Invoker}
	if _, err := c.CreateBucket(w.Context, &api.CreateBucketInput{Bucket: "b-1"}); err != nil {
		b.Fatal(err)
	}
	content := noise(16 << 20)
	b.SetBytes(16 << 20)
	for b.Loop() {
		if _, err := c.PutObject(w.Context, &api.PutObjectInput{Bucket: "b-1", Key: "k", Body: io.NopCloser(bytes.NewReader(content))}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet16MiB(b *testing.B) {
	w := twintest.Start(b)
	c := api.Client{Invoker: w.Invoker}
	if _, err := c.CreateBucket(w.Context, &api.CreateBucketInput{Bucket: "b-1"}); err != nil {
		b.Fatal(err)
	}
	if _, err := c.PutObject(w.Context, &api.PutObjectInput{Bucket: "b-1", Key: "k", Body: io.NopCloser(bytes.NewReader(noise(16 << 20)))}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(16 << 20)
	for b.Loop() {
		out, err := c.GetObject(w.Context, &api.GetObjectInput{Bucket: "b-1", Key: "k"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, out.Body); err != nil {
			b.Fatal(err)
		}
		out.Body.Close()
	}
}

// BenchmarkListGroups lists the 20 top folders of 10 000 objects.
func BenchmarkListGroups(b *testing.B) {
	w := twintest.Start(b)
	c := api.Client{Invoker: w.Invoker}
	if _, err := c.CreateBucket(w.Context, &api.CreateBucketInput{Bucket: "b-1"}); err != nil {
		b.Fatal(err)
	}
	for n := range 10_000 {
		_, err := c.PutObject(w.Context, &api.PutObjectInput{Bucket: "b-1", Key: fmt.Sprintf("folder-%02d/%d", n%20, n), Body: io.NopCloser(bytes.NewReader(nil))})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		out, err := c.ListObjectsV2(w.Context, &api.ListObjectsV2Input{Bucket: "b-1", Delimiter: new("/")})
		if err != nil || len(out.CommonPrefixes) != 20 {
			b.Fatal(out, err)
		}
	}
}
