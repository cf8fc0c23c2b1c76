package s3

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/wire"
)

// parseSource reads x-amz-copy-source: [/]bucket/key[?versionId=id], URL-encoded.
func parseSource(text string) (bucket, key string, version *string, err error) {
	text, query, _ := strings.Cut(text, "?")
	if id, ok := strings.CutPrefix(query, "versionId="); ok {
		version = &id
	}
	plain, err := url.PathUnescape(text)
	bucket, key, ok := strings.Cut(strings.TrimPrefix(plain, "/"), "/")
	if err != nil || !ok || bucket == "" || key == "" {
		return "", "", nil, invalidArgument("x-amz-copy-source", text, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	return bucket, key, version, nil
}

// source finds what is to be copied. A copy whose conditions do not hold fails, also where a read would say "not modified".
func (s *Service) source(ctx context.Context, text string, expected *string, c conditions) (bucket, object, *string, error) {
	name, key, version, err := parseSource(text)
	if err != nil {
		return bucket{}, object{}, nil, err
	}
	b, o, err := s.pick(ctx, name, key, version, expected, c)
	if wire.HasCode(err, "NotModified") {
		err = preconditionFailed("x-amz-copy-source-If-None-Match")
	}
	return b, o, version, err
}

// CopyObject makes an object of another one's content, with its description or with a new one.
func (s *Service) CopyObject(ctx context.Context, in *api.CopyObjectInput) (*api.CopyObjectOutput, error) {
	if in.SSECustomerKey != nil || in.CopySourceSSECustomerKey != nil {
		return nil, errCustomerKey
	}
	from, old, version, err := s.source(ctx, in.CopySource, in.ExpectedSourceBucketOwner,
		conditions{in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince})
	if err != nil {
		return nil, err
	}
	if old.Size > maxPut {
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	o := object{Bucket: in.Bucket, Key: in.Key, Metadata: old.Metadata, Headers: old.Headers, ACL: in.ACL, Storage: wire.Value(in.StorageClass),
		SSE: wire.Value(in.ServerSideEncryption), KMSKey: in.SSEKMSKeyId}
	replaced := wire.Value(in.MetadataDirective) == "REPLACE"
	if replaced {
		o.Metadata = in.Metadata
		o.Headers = headers{ContentType: in.ContentType, CacheControl: in.CacheControl, ContentDisposition: in.ContentDisposition,
			ContentEncoding: encoding(in.ContentEncoding), ContentLanguage: in.ContentLanguage, Expires: in.Expires}
	}
	o.Headers.WebsiteRedirect = in.WebsiteRedirectLocation
	if from.Name == in.Bucket && old.Key == in.Key && version == nil && !replaced && in.StorageClass == nil && in.WebsiteRedirectLocation == nil && in.ServerSideEncryption == nil {
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if err := s.admit(ctx, &o, in.Tagging, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	if wire.Value(in.TaggingDirective) != "REPLACE" {
		o.Tags = old.Tags
	}
	b, err := s.fill(ctx, &o, old, in)
	if err != nil {
		return nil, err
	}
	sums := o.Checksum.spread()
	return &api.CopyObjectOutput{VersionId: b.id(o), CopySourceVersionId: from.id(old), ServerSideEncryption: &o.SSE, SSEKMSKeyId: o.KMSKey, CopyObjectResult: &api.CopyObjectResult{
		ETag: o.etag(), LastModified: &o.Modified, ChecksumType: &o.Checksum.Type, ChecksumCRC32: sums.CRC32, ChecksumCRC32C: sums.CRC32C,
		ChecksumCRC64NVME: sums.CRC64NVME, ChecksumSHA1: sums.SHA1, ChecksumSHA256: sums.SHA256}}, nil
}

// fill copies the content and keeps the object.
func (s *Service) fill(ctx context.Context, o *object, old object, in *api.CopyObjectInput) (bucket, error) {
	content := s.files.read(storedOf(old.Parts), 0, old.Size)
	algorithm := crc64Name
	if old.Checksum.Type == fullObject {
		algorithm = old.Checksum.Algorithm
	}
	p, err := s.receive(content, claims{}, in.ChecksumAlgorithm, nil, algorithm)
	content.Close()
	if err != nil {
		return bucket{}, err
	}
	o.Parts, o.Size, o.ETag, o.Checksum = []part{p}, p.Size, p.ETag, p.Checksum
	b, err := s.keep(ctx, o, in.IfMatch, in.IfNoneMatch)
	if err != nil {
		s.dispose(o.Parts)
	}
	return b, err
}

// UploadPartCopy makes a part of an object, or of a range of it.
func (s *Service) UploadPartCopy(ctx context.Context, in *api.UploadPartCopyInput) (*api.UploadPartCopyOutput, error) {
	from, old, _, err := s.source(ctx, in.CopySource, in.ExpectedSourceBucketOwner,
		conditions{in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince})
	if err != nil {
		return nil, err
	}
	e, err := parseRange(in.CopySourceRange, old.Size)
	if err != nil {
		return nil, err
	}
	if in.CopySourceRange != nil && !e.partial {
		return nil, invalidArgument("x-amz-copy-source-range", *in.CopySourceRange, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	u, err := s.upload(ctx, in.Bucket, in.Key, in.UploadId, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	content := s.files.read(storedOf(old.Parts), e.start, e.length)
	defer content.Close()
	p, err := s.receive(content, claims{}, nil, nil, u.Algorithm)
	if err != nil {
		return nil, err
	}
	if err := s.keepPart(ctx, u, in.PartNumber, &p); err != nil {
		return nil, err
	}
	sums := p.Checksum.spread()
	return &api.UploadPartCopyOutput{CopySourceVersionId: from.id(old), ServerSideEncryption: &u.Object.SSE, CopyPartResult: &api.CopyPartResult{
		ETag: new(`"` + p.ETag + `"`), LastModified: &p.Modified, ChecksumCRC32: sums.CRC32, ChecksumCRC32C: sums.CRC32C, ChecksumCRC64NVME: sums.CRC64NVME,
		ChecksumSHA1: sums.SHA1, ChecksumSHA256: sums.SHA256}}, nil
}
