package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// extent is which bytes of an object are asked for.
type extent struct {
	start, length int64
	partial       bool
}

// contentRange is the header of a partial answer.
func (e extent) contentRange(size int64) *string {
	if !e.partial {
		return nil
	}
	return new(fmt.Sprintf("bytes %d-%d/%d", e.start, e.start+e.length-1, size))
}

// parseRange reads a Range header. S3 serves one range; it ignores what it cannot read and several at once.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func parseRange(header *string, size int64) (extent, error) {
	whole := extent{length: size}
	spec, ok := strings.CutPrefix(wire.Value(header), "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, nil
	}
	from, to, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || from == "" && to == "" {
		return whole, nil
	}
	last, err := strconv.ParseInt(to, 10, 64)
	if to != "" && (err != nil || last < 0) {
		return whole, nil
	}
	if from == "" {
		last = min(last, size)
		if last == 0 {
			return whole, invalidRange(*header, size)
		}
		return extent{start: size - last, length: last, partial: true}, nil
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 || to != "" && last < first {
		return whole, nil
	}
	if first >= size {
		return whole, invalidRange(*header, size)
	}
	if to == "" {
		last = size - 1
	}
	return extent{start: first, length: min(last, size-1) - first + 1, partial: true}, nil
}

// extent is the bytes that a range or a part number asks for.
func (o object) extent(header *string, number *int) (extent, error) {
	if number == nil {
		return parseRange(header, o.Size)
	}
	var start int64
	for _, p := range o.Parts {
		if cmp.Or(p.Number, 1) == *number {
			return extent{start: start, length: p.Size, partial: p.Size > 0}, nil
		}
		start += p.Size
	}
	return extent{}, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable", "PartNumberRequested", strconv.Itoa(*number), "ActualPartCount", strconv.Itoa(len(o.Parts)))
}

// conditions are the preconditions of a read, in HTTP's order: RFC 9110, 13.2.2.
type conditions struct {
	match, noneMatch *string
	modified, not    *time.Time // If-Modified-Since, If-Unmodified-Since
}

func (c conditions) check(o object) error {
	at := o.Modified.Truncate(time.Second)
	switch {
	case c.match != nil && !anyTag(o.ETag, *c.match):
		return preconditionFailed("If-Match")
	case c.match == nil && c.not != nil && at.After(*c.not):
		return preconditionFailed("If-Unmodified-Since")
	case c.noneMatch != nil && anyTag(o.ETag, *c.noneMatch):
		return errNotModified
	case c.noneMatch == nil && c.modified != nil && !at.After(*c.modified):
		return errNotModified
	}
	return nil
}

func anyTag(etag, list string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(t string) bool { return sameTag(etag, strings.TrimSpace(t)) })
}

// pick finds the version that a read is about and checks its conditions.
func (s *Service) pick(ctx context.Context, bucketName, key string, version, expected *string, c conditions) (b bucket, o object, err error) {
	err = s.see(ctx, bucketName, expected, func(tx *store.Tx, found bucket) (err error) {
		b = found
		o, err = current(tx, bucketName, key, wire.Value(version))
		return err
	})
	if err != nil {
		return b, o, err
	}
	return b, o, c.check(o)
}

// GetObject returns an object or a part of it. The caller closes the body.
func (s *Service) GetObject(ctx context.Context, in *api.GetObjectInput) (*api.GetObjectOutput, error) {
	if in.SSECustomerKey != nil {
		return nil, errCustomerKey
	}
	b, o, err := s.pick(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, conditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince})
	if err != nil {
		return nil, err
	}
	e, err := o.extent(in.Range, in.PartNumber)
	if err != nil {
		return nil, err
	}
	h := o.Headers
	out := &api.GetObjectOutput{
		AcceptRanges: new("bytes"), Body: s.files.read(storedOf(o.Parts), e.start, e.length), ContentLength: new(int(e.length)), ContentRange: e.contentRange(o.Size),
		ContentType:  new(cmp.Or(wire.Value(in.ResponseContentType), wire.Value(h.ContentType), "binary/octet-stream")),
		CacheControl: prefer(in.ResponseCacheControl, h.CacheControl), ContentDisposition: prefer(in.ResponseContentDisposition, h.ContentDisposition),
		ContentEncoding: prefer(in.ResponseContentEncoding, h.ContentEncoding), ContentLanguage: prefer(in.ResponseContentLanguage, h.ContentLanguage),
		Expires: prefer(expires(in.ResponseExpires), h.Expires), WebsiteRedirectLocation: h.WebsiteRedirect, ETag: o.etag(), LastModified: &o.Modified, Metadata: o.Metadata,
		VersionId: b.id(o), ServerSideEncryption: &o.SSE, SSEKMSKeyId: o.KMSKey, StorageClass: wire.Maybe(o.Storage), TagCount: wire.Maybe(len(o.Tags)),
	}
	if in.PartNumber != nil {
		out.PartsCount = wire.Maybe(o.Pieces)
	}
	if in.ChecksumMode != nil && !e.partial {
		sums := o.Checksum.spread()
		out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1 = sums.CRC32, sums.CRC32C, sums.CRC64NVME, sums.SHA1
		out.ChecksumSHA256, out.ChecksumSHA512, out.ChecksumMD5, out.ChecksumType = sums.SHA256, sums.SHA512, sums.MD5, &o.Checksum.Type
	}
	return out, nil
}

func prefer(asked, own *string) *string {
	if asked != nil {
		return asked
	}
	return own
}

func expires(at *time.Time) *string {
	if at == nil {
		return nil
	}
	return new(at.UTC().Format(http.TimeFormat))
}

// HeadObject is GetObject without the body.
func (s *Service) HeadObject(ctx context.Context, in *api.HeadObjectInput) (*api.HeadObjectOutput, error) {
	g, err := s.GetObject(ctx, &api.GetObjectInput{
		Bucket: in.Bucket, Key: in.Key, VersionId: in.VersionId, ExpectedBucketOwner: in.ExpectedBucketOwner, IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch,
		IfModifiedSince: in.IfModifiedSince, IfUnmodifiedSince: in.IfUnmodifiedSince, Range: in.Range, PartNumber: in.PartNumber, ChecksumMode: in.ChecksumMode,
		ResponseCacheControl: in.ResponseCacheControl, ResponseContentDisposition: in.ResponseContentDisposition, ResponseContentEncoding: in.ResponseContentEncoding,
		ResponseContentLanguage: in.ResponseContentLanguage, ResponseContentType: in.ResponseContentType, ResponseExpires: in.ResponseExpires, SSECustomerKey: in.SSECustomerKey,
	})
	if err != nil {
		return nil, err
	}
	return &api.HeadObjectOutput{
		AcceptRanges: g.AcceptRanges, ContentLength: g.ContentLength, ContentRange: g.ContentRange, ContentType: g.ContentType, CacheControl: g.CacheControl,
		ContentDisposition: g.ContentDisposition, ContentEncoding: g.ContentEncoding, ContentLanguage: g.ContentLanguage, Expires: g.Expires,
		WebsiteRedirectLocation: g.WebsiteRedirectLocation, ETag: g.ETag, LastModified: g.LastModified, Metadata: g.Metadata, VersionId: g.VersionId,
		ServerSideEncryption: g.ServerSideEncryption, SSEKMSKeyId: g.SSEKMSKeyId, StorageClass: g.StorageClass, TagCount: g.TagCount, PartsCount: g.PartsCount,
		ChecksumCRC32: g.ChecksumCRC32, ChecksumCRC32C: g.ChecksumCRC32C, ChecksumCRC64NVME: g.ChecksumCRC64NVME, ChecksumSHA1: g.ChecksumSHA1,
		ChecksumSHA256: g.ChecksumSHA256, ChecksumSHA512: g.ChecksumSHA512, ChecksumMD5: g.ChecksumMD5, ChecksumType: g.ChecksumType,
	}, nil
}

// GetObjectAttributes returns those of an object's attributes that are asked for.
func (s *Service) GetObjectAttributes(ctx context.Context, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesOutput, error) {
	b, o, err := s.pick(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, conditions{})
	if err != nil {
		return nil, err
	}
	out := &api.GetObjectAttributesOutput{LastModified: &o.Modified, VersionId: b.id(o)}
	for _, name := range in.ObjectAttributes {
		switch name {
		case "ETag":
			out.ETag = &o.ETag
		case "ObjectSize":
			out.ObjectSize = new(int(o.Size))
		case "StorageClass":
			out.StorageClass = o.class()
		case "Checksum":
			v := o.Checksum.spread()
			out.Checksum = &api.Checksum{ChecksumCRC32: v.CRC32, ChecksumCRC32C: v.CRC32C, ChecksumCRC64NVME: v.CRC64NVME, ChecksumSHA1: v.SHA1,
				ChecksumSHA256: v.SHA256, ChecksumSHA512: v.SHA512, ChecksumMD5: v.MD5, ChecksumType: wire.Maybe(o.Checksum.Type)}
		case "ObjectParts":
			out.ObjectParts = o.attributeParts(wire.Value(in.PartNumberMarker), cmp.Or(wire.Value(in.MaxParts), 1000))
		}
	}
	return out, nil
}

func (o object) attributeParts(after, most int) *api.GetObjectAttributesParts {
	if o.Pieces == 0 {
		return nil
	}
	out := &api.GetObjectAttributesParts{TotalPartsCount: &o.Pieces, MaxParts: &most, PartNumberMarker: &after, IsTruncated: new(false)}
	for _, p := range o.Parts {
		if p.Number <= after {
			continue
		}
		if len(out.Parts) == most {
			out.IsTruncated = new(true)
			break
		}
		v := p.Checksum.spread()
		out.Parts = append(out.Parts, api.ObjectPart{PartNumber: &p.Number, Size: new(int(p.Size)), ChecksumCRC32: v.CRC32, ChecksumCRC32C: v.CRC32C,
			ChecksumCRC64NVME: v.CRC64NVME, ChecksumSHA1: v.SHA1, ChecksumSHA256: v.SHA256})
		out.NextPartNumberMarker = &p.Number
	}
	return out
}
