package s3

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// maxPut is the largest object that can be put at once, and the largest part.
const maxPut = 5 << 30

// receive writes a body to a file while its checksums are computed, and checks them.
func (s *Service) receive(body io.Reader, c claims, algorithm, contentMD5 *string, fallback string) (part, error) {
	if body == nil {
		body = http.NoBody
	}
	in, err := newIntake(body, c, algorithm, contentMD5, fallback)
	if err != nil {
		return part{}, err
	}
	file, err := s.files.write(io.LimitReader(in, maxPut+1))
	if err != nil {
		return part{}, err
	}
	p := part{stored: file, ETag: hex.EncodeToString(in.md5.Sum(nil)), Modified: s.Clock.Now()}
	if file.Size > maxPut {
		err = fail(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	} else {
		p.Checksum, err = in.check()
	}
	if err != nil {
		s.dispose([]part{p})
	}
	return p, err
}

// PutObject stores an object.
func (s *Service) PutObject(ctx context.Context, in *api.PutObjectInput) (*api.PutObjectOutput, error) {
	if in.SSECustomerAlgorithm != nil || in.SSECustomerKey != nil {
		return nil, errCustomerKey
	}
	if in.WriteOffsetBytes != nil {
		return nil, notImplemented("The twin does not append to objects.")
	}
	o := object{Bucket: in.Bucket, Key: in.Key, Metadata: in.Metadata, ACL: in.ACL, Storage: wire.Value(in.StorageClass), KMSKey: in.SSEKMSKeyId,
		SSE: wire.Value(in.ServerSideEncryption), Headers: headers{ContentType: in.ContentType, CacheControl: in.CacheControl, ContentDisposition: in.ContentDisposition,
			ContentEncoding: encoding(in.ContentEncoding), ContentLanguage: in.ContentLanguage, Expires: in.Expires, WebsiteRedirect: in.WebsiteRedirectLocation}}
	if err := s.admit(ctx, &o, in.Tagging, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	p, err := s.receive(in.Body, claims{CRC32: in.ChecksumCRC32, CRC32C: in.ChecksumCRC32C, CRC64NVME: in.ChecksumCRC64NVME, SHA1: in.ChecksumSHA1, SHA256: in.ChecksumSHA256,
		SHA512: in.ChecksumSHA512, MD5: in.ChecksumMD5, XXHASH64: in.ChecksumXXHASH64, XXHASH3: in.ChecksumXXHASH3, XXHASH128: in.ChecksumXXHASH128},
		in.ChecksumAlgorithm, in.ContentMD5, crc64Name)
	if err != nil {
		return nil, err
	}
	o.Parts, o.Size, o.ETag, o.Checksum = []part{p}, p.Size, p.ETag, p.Checksum
	b, err := s.keep(ctx, &o, in.IfMatch, in.IfNoneMatch)
	if err != nil {
		s.dispose(o.Parts)
		return nil, err
	}
	out := &api.PutObjectOutput{ETag: o.etag(), VersionId: b.id(o), ServerSideEncryption: &o.SSE, SSEKMSKeyId: o.KMSKey, ChecksumType: &o.Checksum.Type}
	sums := o.Checksum.spread()
	out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1 = sums.CRC32, sums.CRC32C, sums.CRC64NVME, sums.SHA1
	out.ChecksumSHA256, out.ChecksumSHA512, out.ChecksumMD5 = sums.SHA256, sums.SHA512, sums.MD5
	return out, nil
}

var errCustomerKey = notImplemented("The twin encrypts every object with a key of its own; keys given by the client (SSE-C) are not served.")

// encoding is the content's own encoding, without the one of the transfer.
func encoding(given *string) *string {
	var own []string
	for e := range strings.SplitSeq(wire.Value(given), ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			own = append(own, e)
		}
	}
	return wire.Maybe(strings.Join(own, ","))
}

// admit checks what can be known before the content arrives, and fills in what the bucket decides.
func (s *Service) admit(ctx context.Context, o *object, tagging, expected *string) (err error) {
	if len(o.Key) > 1024 {
		return fail(http.StatusBadRequest, "KeyTooLongError", "Your key is too long", "Size", "1024")
	}
	if o.Tags, err = parseTags(tagging); err != nil {
		return err
	}
	size := 0
	for name, value := range o.Metadata {
		size += len(name) + len(value)
	}
	if size > 2048 {
		return fail(http.StatusBadRequest, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	return s.see(ctx, o.Bucket, expected, func(tx *store.Tx, b bucket) error {
		mode, key := b.encryption()
		if o.SSE == "" {
			o.SSE, o.KMSKey = mode, key
		}
		o.SSE = cmp.Or(o.SSE, aes256)
		return b.admit(o.ACL)
	})
}

// keep makes an object the newest of its key, where the conditions hold.
func (s *Service) keep(ctx context.Context, o *object, ifMatch, ifNoneMatch *string) (b bucket, err error) {
	if ifNoneMatch != nil && *ifNoneMatch != "*" {
		return b, notImplemented("A header you provided implies functionality that is not implemented")
	}
	o.Modified = s.Clock.Now()
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if b, err = find(ctx, tx, o.Bucket, nil); err != nil {
			return err
		}
		old, err := current(tx, o.Bucket, o.Key, "")
		missing := wire.HasCode(err, "NoSuchKey")
		switch {
		case err != nil && !missing:
			return err
		case ifNoneMatch != nil && !missing:
			return preconditionFailed("If-None-Match")
		case ifMatch != nil && missing:
			return err
		case ifMatch != nil && !sameTag(old.ETag, *ifMatch):
			return preconditionFailed("If-Match")
		}
		return s.add(tx, b, o)
	})
	return b, err
}

// parseTags reads tags as the x-amz-tagging header has them: a query string.
func parseTags(text *string) ([]api.Tag, error) {
	if text == nil {
		return nil, nil
	}
	var tags []api.Tag
	for pair := range strings.SplitSeq(*text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(name)
		plain, wrong := url.QueryUnescape(value)
		if errors.Join(err, wrong) != nil {
			return nil, invalidArgument("x-amz-tagging", *text, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		if key != "" {
			tags = append(tags, api.Tag{Key: key, Value: plain})
		}
	}
	return tags, checkTags(tags, 10)
}

func checkTags(tags []api.Tag, most int) error {
	if len(tags) > most {
		return fail(http.StatusBadRequest, "BadRequest", "Object tags cannot be greater than 10")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if seen[t.Key] {
			return fail(http.StatusBadRequest, "InvalidTag", "Cannot provide multiple Tags with the same key", "TagKey", t.Key)
		}
		seen[t.Key] = true
		if t.Key == "" || len([]rune(t.Key)) > 128 {
			return fail(http.StatusBadRequest, "InvalidTag", "The TagKey you have provided is invalid", "TagKey", t.Key)
		}
		if len([]rune(t.Value)) > 256 {
			return fail(http.StatusBadRequest, "InvalidTag", "The TagValue you have provided is invalid", "TagValue", t.Value)
		}
	}
	return nil
}

// sums are a checksum as answers carry it: one member an algorithm.
type sums struct{ CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5 *string }

func (c checksum) spread() (s sums) {
	switch c.Algorithm {
	case crc32Name:
		s.CRC32 = &c.Value
	case crc32cName:
		s.CRC32C = &c.Value
	case crc64Name:
		s.CRC64NVME = &c.Value
	case "SHA1":
		s.SHA1 = &c.Value
	case "SHA256":
		s.SHA256 = &c.Value
	case "SHA512":
		s.SHA512 = &c.Value
	case "MD5":
		s.MD5 = &c.Value
	}
	return s
}
