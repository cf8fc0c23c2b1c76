package s3_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	api "slipway.dev/internal/twin/api/s3"
)

// An SDK's low-level calls name no algorithm when they begin, and give a CRC32 with each part.
func TestPartsMayHaveAChecksumThatWasNotAnnounced(t *testing.T) {
	t.Parallel()
	r := start(t)
	begun, err := r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadInput{Bucket: "b-1", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	whole := noise(5<<20 + 7)
	in := &api.CompleteMultipartUploadInput{Bucket: "b-1", Key: "k", UploadId: *begun.UploadId, MultipartUpload: &api.CompletedMultipartUpload{}}
	for n, piece := range [][]byte{whole[:5<<20], whole[5<<20:]} {
		part := &api.UploadPartInput{Bucket: "b-1", Key: "k", UploadId: *begun.UploadId, PartNumber: n + 1, Body: io.NopCloser(bytes.NewReader(piece)), ChecksumCRC32: new("AAAAAA==")}
		if _, err := r.UploadPart(r.ctx, part); err == nil {
			t.Fatal("a wrong checksum is taken")
		}
		sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(piece)))
		part.Body, part.ChecksumCRC32 = io.NopCloser(bytes.NewReader(piece)), &sum
		out, err := r.UploadPart(r.ctx, part)
		if err != nil {
			t.Fatal(err)
		}
		if out.ChecksumCRC32 == nil || *out.ChecksumCRC32 != sum {
			t.Errorf("part %d answers with the checksum %v", n+1, out.ChecksumCRC32)
		}
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, api.CompletedPart{PartNumber: new(n + 1), ETag: out.ETag, ChecksumCRC32: &sum})
	}
	parts, err := r.CompleteMultipartUpload(r.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	one, err := r.PutObject(r.ctx, &api.PutObjectInput{Bucket: "b-1", Key: "one", Body: io.NopCloser(bytes.NewReader(whole))})
	if err != nil {
		t.Fatal(err)
	}
	if parts.ChecksumCRC64NVME == nil || *parts.ChecksumCRC64NVME != *one.ChecksumCRC64NVME || *parts.ChecksumType != "FULL_OBJECT" {
		t.Errorf("the object has the checksum %v, in one piece %s", parts.ChecksumCRC64NVME, *one.ChecksumCRC64NVME)
	}
}
