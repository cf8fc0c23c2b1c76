package s3

import (
	"context"
	"encoding/base64"
	"strings"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// listing is one page of what a bucket holds: objects and, with a delimiter, the prefixes that group them.
type listing struct {
	objects   []object
	prefixes  []string
	truncated bool
	last      string // the last key or prefix of the page
}

const maxKeys = 1000

// group is the common prefix that a key falls under, "" where it stands for itself.
func group(key, prefix, delimiter string) string {
	if delimiter == "" {
		return ""
	}
	at := strings.Index(key[len(prefix):], delimiter)
	if at < 0 {
		return ""
	}
	return key[:len(prefix)+at+len(delimiter)]
}

// beyond is the first string after all that begin with a prefix.
func beyond(prefix string) string {
	b := []byte(prefix)
	b[len(b)-1]++ // no UTF-8 text has the byte 0xff
	return string(b)
}

// list walks the index of current objects. A group is skipped in one step, however many keys it has.
func list(tx *store.Tx, bucket, prefix, delimiter, after string, most int) (l listing, err error) {
	from, strict := prefix, false
	if after >= prefix && after != "" {
		from, strict = after, true
		if strings.HasPrefix(after, prefix) && group(after, prefix, delimiter) == after {
			from, strict = beyond(after), false
		}
	}
	for again := true; again && err == nil; {
		again = false
		err = walk(tx, bucket, prefix, from, strict, func(o object) bool {
			if len(l.objects)+len(l.prefixes) == most {
				l.truncated = true
				return false
			}
			if g := group(o.Key, prefix, delimiter); g != "" {
				l.prefixes, l.last = append(l.prefixes, g), g
				from, strict, again = beyond(g), false, true
				return false
			}
			l.objects, l.last = append(l.objects, o), o.Key
			return true
		})
	}
	return l, err
}

// walk calls f with the current objects at or after a key until it returns false.
func walk(tx *store.Tx, bucket, prefix, from string, strict bool, f func(object) bool) error {
	where, args := "bucket = ? AND latest = 1 AND marker = 0 AND key >= ?", []any{bucket, from}
	if strict {
		where = "bucket = ? AND latest = 1 AND marker = 0 AND key > ?"
	}
	if prefix != "" {
		where, args = where+" AND key < ?", append(args, beyond(prefix))
	}
	return eachObject(tx, f, where+" ORDER BY key", args...)
}

// encoder writes keys as the caller wants them: with encoding-type=url percent-encoded.
func encoder(kind *string) func(string) *string {
	if wire.Value(kind) != "url" {
		return func(s string) *string { return &s }
	}
	return func(s string) *string { return new(percent(s)) }
}

func percent(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~/*()!'", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func optional(p *string, encode func(string) *string) *string {
	if p == nil || *p == "" {
		return nil
	}
	return encode(*p)
}

func pageSize(asked *int) (int, error) {
	if asked == nil {
		return maxKeys, nil
	}
	if *asked < 0 {
		return 0, invalidArgument("maxKeys", "negative", "Argument maxKeys must be an integer between 0 and 2147483647")
	}
	return min(*asked, maxKeys), nil
}

// listed is a page of a bucket.
func (s *Service) listed(ctx context.Context, name string, expected, prefix, delimiter *string, after string, most int) (l listing, b bucket, err error) {
	err = s.see(ctx, name, expected, func(tx *store.Tx, found bucket) (err error) {
		b = found
		if most > 0 {
			l, err = list(tx, name, wire.Value(prefix), wire.Value(delimiter), after, most)
		}
		return err
	})
	return l, b, err
}

func contents(l listing, encode func(string) *string, who *api.Owner) (objects []api.Object, prefixes []api.CommonPrefix) {
	for _, o := range l.objects {
		objects = append(objects, api.Object{Key: encode(o.Key), Size: new(int(o.Size)), ETag: o.etag(), LastModified: &o.Modified, StorageClass: o.class(), Owner: who,
			ChecksumAlgorithm: []string{o.Checksum.Algorithm}, ChecksumType: wire.Maybe(o.Checksum.Type)})
	}
	for _, p := range l.prefixes {
		prefixes = append(prefixes, api.CommonPrefix{Prefix: encode(p)})
	}
	return objects, prefixes
}

// ListObjects lists a bucket the old way, by marker.
func (s *Service) ListObjects(ctx context.Context, in *api.ListObjectsInput) (*api.ListObjectsOutput, error) {
	most, err := pageSize(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	l, b, err := s.listed(ctx, in.Bucket, in.ExpectedBucketOwner, in.Prefix, in.Delimiter, wire.Value(in.Marker), most)
	if err != nil {
		return nil, err
	}
	encode := encoder(in.EncodingType)
	out := &api.ListObjectsOutput{Name: &in.Bucket, Prefix: encode(wire.Value(in.Prefix)), Marker: encode(wire.Value(in.Marker)), MaxKeys: &most,
		Delimiter: optional(in.Delimiter, encode), EncodingType: in.EncodingType, IsTruncated: &l.truncated}
	out.Contents, out.CommonPrefixes = contents(l, encode, owner(b.Account))
	if l.truncated && in.Delimiter != nil {
		out.NextMarker = encode(l.last)
	}
	return out, nil
}

// ListObjectsV2 lists a bucket by continuation tokens.
func (s *Service) ListObjectsV2(ctx context.Context, in *api.ListObjectsV2Input) (*api.ListObjectsV2Output, error) {
	most, err := pageSize(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	after := wire.Value(in.StartAfter)
	if in.ContinuationToken != nil {
		raw, err := base64.RawURLEncoding.DecodeString(*in.ContinuationToken)
		if err != nil || len(raw) == 0 {
			return nil, invalidArgument("continuation-token", *in.ContinuationToken, "The continuation token provided is incorrect")
		}
		after = string(raw)
	}
	l, b, err := s.listed(ctx, in.Bucket, in.ExpectedBucketOwner, in.Prefix, in.Delimiter, after, most)
	if err != nil {
		return nil, err
	}
	encode := encoder(in.EncodingType)
	out := &api.ListObjectsV2Output{Name: &in.Bucket, Prefix: encode(wire.Value(in.Prefix)), MaxKeys: &most, KeyCount: new(len(l.objects) + len(l.prefixes)),
		Delimiter: optional(in.Delimiter, encode), EncodingType: in.EncodingType, IsTruncated: &l.truncated, ContinuationToken: in.ContinuationToken,
		StartAfter: optional(in.StartAfter, encode)}
	var who *api.Owner
	if wire.Value(in.FetchOwner) {
		who = owner(b.Account)
	}
	out.Contents, out.CommonPrefixes = contents(l, encode, who)
	if l.truncated {
		out.NextContinuationToken = new(base64.RawURLEncoding.EncodeToString([]byte(l.last)))
	}
	return out, nil
}

// ListObjectVersions lists all versions and delete markers, each key's newest first.
func (s *Service) ListObjectVersions(ctx context.Context, in *api.ListObjectVersionsInput) (*api.ListObjectVersionsOutput, error) {
	most, err := pageSize(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	encode := encoder(in.EncodingType)
	prefix, delimiter, marker := wire.Value(in.Prefix), wire.Value(in.Delimiter), wire.Value(in.KeyMarker)
	out := &api.ListObjectVersionsOutput{Name: &in.Bucket, Prefix: encode(prefix), KeyMarker: encode(marker), VersionIdMarker: in.VersionIdMarker, MaxKeys: &most,
		Delimiter: optional(in.Delimiter, encode), EncodingType: in.EncodingType, IsTruncated: new(false)}
	who := owner(operation.CallerOf(ctx).Account)
	past := follower(marker, wire.Value(in.VersionIdMarker), delimiter)
	where, args := "bucket = ? AND key >= ?", []any{in.Bucket, max(prefix, marker)}
	if prefix != "" {
		where, args = where+" AND key < ?", append(args, beyond(prefix))
	}
	err = s.see(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx *store.Tx, b bucket) error {
		count, last := 0, object{}
		return eachObject(tx, func(o object) bool {
			g := group(o.Key, prefix, delimiter)
			if !past(o) || g != "" && g == last.Key {
				return true
			}
			if count == most {
				out.IsTruncated, out.NextKeyMarker, out.NextVersionIdMarker = new(true), encode(last.Key), wire.Maybe(last.Version)
				return false
			}
			count++
			if last = o; g != "" {
				last.Key, last.Version = g, ""
			}
			addVersion(out, o, g, encode, who)
			return true
		}, where+" ORDER BY key, seq DESC", args...)
	})
	return out, err
}

// follower reports of versions in their order whether they come after a marker: a key, a version of one, or a group.
func follower(marker, version, delimiter string) func(object) bool {
	passed := marker == ""
	grouped := delimiter != "" && strings.HasSuffix(marker, delimiter)
	return func(o object) bool {
		switch {
		case passed:
			return true
		case o.Key == marker:
			passed = version != "" && o.Version == version
			return false
		case grouped && strings.HasPrefix(o.Key, marker):
			return false
		}
		passed = true
		return true
	}
}

// addVersion adds a version, a marker, or the group that one falls under.
func addVersion(out *api.ListObjectVersionsOutput, o object, g string, encode func(string) *string, who *api.Owner) {
	switch {
	case g != "":
		out.CommonPrefixes = append(out.CommonPrefixes, api.CommonPrefix{Prefix: encode(g)})
	case o.Marker:
		out.DeleteMarkers = append(out.DeleteMarkers, api.DeleteMarkerEntry{Key: encode(o.Key), VersionId: &o.Version, IsLatest: &o.Latest, LastModified: &o.Modified, Owner: who})
	default:
		out.Versions = append(out.Versions, api.ObjectVersion{Key: encode(o.Key), VersionId: &o.Version, IsLatest: &o.Latest, LastModified: &o.Modified, Owner: who,
			ETag: o.etag(), Size: new(int(o.Size)), StorageClass: o.class(), ChecksumAlgorithm: []string{o.Checksum.Algorithm}, ChecksumType: wire.Maybe(o.Checksum.Type)})
	}
}

// ListMultipartUploads lists the uploads that are under way.
func (s *Service) ListMultipartUploads(ctx context.Context, in *api.ListMultipartUploadsInput) (*api.ListMultipartUploadsOutput, error) {
	most, err := pageSize(in.MaxUploads)
	if err != nil {
		return nil, err
	}
	encode := encoder(in.EncodingType)
	prefix, delimiter := wire.Value(in.Prefix), wire.Value(in.Delimiter)
	out := &api.ListMultipartUploadsOutput{Bucket: &in.Bucket, Prefix: encode(prefix), KeyMarker: encode(wire.Value(in.KeyMarker)), UploadIdMarker: in.UploadIdMarker,
		MaxUploads: &most, Delimiter: optional(in.Delimiter, encode), EncodingType: in.EncodingType, IsTruncated: new(false)}
	who := owner(operation.CallerOf(ctx).Account)
	err = s.see(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx *store.Tx, b bucket) error {
		all, err := uploadsOf(tx, in.Bucket)
		for _, u := range all {
			if !strings.HasPrefix(u.Key, prefix) || !u.follows(wire.Value(in.KeyMarker), wire.Value(in.UploadIdMarker)) {
				continue
			}
			g := group(u.Key, prefix, delimiter)
			if n := len(out.CommonPrefixes); g != "" && n > 0 && *out.CommonPrefixes[n-1].Prefix == *encode(g) {
				continue
			}
			if len(out.Uploads)+len(out.CommonPrefixes) == most {
				out.IsTruncated = new(true)
				break
			}
			if out.NextKeyMarker, out.NextUploadIdMarker = encode(u.Key), &u.ID; g != "" {
				out.CommonPrefixes = append(out.CommonPrefixes, api.CommonPrefix{Prefix: encode(g)})
				continue
			}
			out.Uploads = append(out.Uploads, api.MultipartUpload{Key: encode(u.Key), UploadId: &u.ID, Initiated: &u.Started, StorageClass: u.Object.class(),
				Owner: who, Initiator: &api.Initiator{ID: &u.ARN}, ChecksumAlgorithm: &u.Algorithm, ChecksumType: &u.Kind})
		}
		return err
	})
	return out, err
}

func (u upload) follows(key, id string) bool {
	return key == "" || u.Key > key || u.Key == key && id != "" && u.ID > id
}
