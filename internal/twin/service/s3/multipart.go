package s3

import (
	"cmp"
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// upload is a multipart upload that is under way. Its parts become the object's: completing one copies nothing.
type upload struct {
	Bucket, Key, ID string
	Object          object // what it will be: headers, metadata, tags
	Metadata        map[string]string
	Algorithm       string
	Declared        bool   // the algorithm was named when the upload began
	Kind            string // FULL_OBJECT or COMPOSITE
	Started         time.Time
	ARN             string // of who began it
}

const (
	minPart    = 5 << 20
	maxNumber  = 10_000
	maxObject  = 5 << 40
	aes256     = "AES256"
	partsAtOne = 1000
)

func suffix(parts int) string { return "-" + strconv.Itoa(parts) }

// kindOf settles the type of an upload's checksum: the CRCs can be joined into one of the whole object, the others cannot.
func kindOf(algorithm string, asked *string) (string, error) {
	usual := compositeType
	if algorithm == crc64Name {
		usual = fullObject
	}
	kind := cmp.Or(wire.Value(asked), usual)
	joins := algorithm == crc64Name || algorithm == crc32Name || algorithm == crc32cName
	if kind == fullObject && !joins || kind == compositeType && algorithm == crc64Name {
		return kind, fail(http.StatusBadRequest, "InvalidRequest", "The "+kind+" checksum type cannot be used with the "+algorithm+" checksum algorithm.")
	}
	return kind, nil
}

// CreateMultipartUpload begins the upload of an object in parts.
func (s *Service) CreateMultipartUpload(ctx context.Context, in *api.CreateMultipartUploadInput) (*api.CreateMultipartUploadOutput, error) {
	if in.SSECustomerKey != nil {
		return nil, errCustomerKey
	}
	algorithm := cmp.Or(wire.Value(in.ChecksumAlgorithm), crc64Name)
	if err := supported(algorithm); err != nil {
		return nil, err
	}
	kind, err := kindOf(algorithm, in.ChecksumType)
	if err != nil {
		return nil, err
	}
	o := object{Bucket: in.Bucket, Key: in.Key, Metadata: in.Metadata, ACL: in.ACL, Storage: wire.Value(in.StorageClass), KMSKey: in.SSEKMSKeyId,
		SSE: wire.Value(in.ServerSideEncryption), Headers: headers{ContentType: in.ContentType, CacheControl: in.CacheControl, ContentDisposition: in.ContentDisposition,
			ContentEncoding: encoding(in.ContentEncoding), ContentLanguage: in.ContentLanguage, Expires: in.Expires, WebsiteRedirect: in.WebsiteRedirectLocation}}
	if err := s.admit(ctx, &o, in.Tagging, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	u := upload{Bucket: in.Bucket, Key: in.Key, ID: newVersion() + newVersion(), Object: o, Algorithm: algorithm, Declared: in.ChecksumAlgorithm != nil, Kind: kind, Started: s.Clock.Now(), ARN: operation.CallerOf(ctx).ARN}
	doc, err := json.Marshal(u)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		return tx.Exec("INSERT INTO s3_uploads (bucket, key, id, doc) VALUES (?, ?, ?, ?)", u.Bucket, u.Key, u.ID, doc)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateMultipartUploadOutput{Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID, ServerSideEncryption: &o.SSE, SSEKMSKeyId: o.KMSKey,
		ChecksumAlgorithm: in.ChecksumAlgorithm, ChecksumType: &u.Kind}, nil
}

func oneUpload(tx *store.Tx, bucket, key, id string) (u upload, err error) {
	var doc []byte
	err = tx.QueryRow("SELECT doc FROM s3_uploads WHERE bucket = ? AND key = ? AND id = ?", bucket, key, id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return u, noUpload(id)
	}
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(doc, &u); err != nil {
		return u, err
	}
	u.Object.Bucket, u.Object.Key = u.Bucket, u.Key
	return u, nil
}

// upload finds an upload of the caller's.
func (s *Service) upload(ctx context.Context, name, key, id string, expected *string) (u upload, err error) {
	err = s.see(ctx, name, expected, func(tx *store.Tx, b bucket) error {
		u, err = oneUpload(tx, name, key, id)
		return err
	})
	return u, err
}

func partsOf(tx *store.Tx, id string) (parts []part, err error) {
	rows, err := tx.Query("SELECT doc FROM s3_parts WHERE upload = ? ORDER BY number", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var doc sql.RawBytes
		var p part
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(doc, &p); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, rows.Err()
}

// UploadPart stores a part.
func (s *Service) UploadPart(ctx context.Context, in *api.UploadPartInput) (*api.UploadPartOutput, error) {
	u, err := s.upload(ctx, in.Bucket, in.Key, in.UploadId, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	body, own := io.Reader(in.Body), newUndeclared(in.Body)
	if !u.Declared {
		body = own
	}
	p, err := s.receive(body, claims{CRC32: in.ChecksumCRC32, CRC32C: in.ChecksumCRC32C, CRC64NVME: in.ChecksumCRC64NVME, SHA1: in.ChecksumSHA1, SHA256: in.ChecksumSHA256,
		SHA512: in.ChecksumSHA512, MD5: in.ChecksumMD5, XXHASH64: in.ChecksumXXHASH64, XXHASH3: in.ChecksumXXHASH3, XXHASH128: in.ChecksumXXHASH128},
		in.ChecksumAlgorithm, in.ContentMD5, u.Algorithm)
	if err != nil {
		return nil, err
	}
	v := p.Checksum.spread()
	if !u.Declared {
		own.settle(&p)
	}
	if err := s.keepPart(ctx, u, in.PartNumber, &p); err != nil {
		return nil, err
	}
	return &api.UploadPartOutput{ETag: new(`"` + p.ETag + `"`), ServerSideEncryption: &u.Object.SSE, SSEKMSKeyId: u.Object.KMSKey, ChecksumCRC32: v.CRC32, ChecksumCRC32C: v.CRC32C,
		ChecksumCRC64NVME: v.CRC64NVME, ChecksumSHA1: v.SHA1, ChecksumSHA256: v.SHA256, ChecksumSHA512: v.SHA512, ChecksumMD5: v.MD5}, nil
}

// keepPart commits a part in the place of one with the same number; where it cannot, the part's file goes.
func (s *Service) keepPart(ctx context.Context, u upload, number int, p *part) error {
	p.Number = number
	err := s.putPart(ctx, u, p)
	if err != nil {
		s.dispose([]part{*p})
	}
	return err
}

func (s *Service) putPart(ctx context.Context, u upload, p *part) error {
	if p.Number < 1 || p.Number > maxNumber {
		return invalidArgument("partNumber", strconv.Itoa(p.Number), "Part number must be an integer between 1 and 10000, inclusive")
	}
	if p.Checksum.Algorithm != u.Algorithm {
		return fail(http.StatusBadRequest, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "+u.Algorithm+", actual checksum Type: "+p.Checksum.Algorithm)
	}
	doc, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := oneUpload(tx, u.Bucket, u.Key, u.ID); err != nil {
			return err
		}
		parts, err := partsOf(tx, u.ID)
		if err != nil {
			return err
		}
		if n := slices.IndexFunc(parts, func(old part) bool { return old.Number == p.Number }); n >= 0 {
			if err := s.release(tx, parts[n:n+1]); err != nil {
				return err
			}
		}
		if err := claimFiles(tx, []part{*p}); err != nil {
			return err
		}
		return tx.Exec("INSERT OR REPLACE INTO s3_parts (upload, number, doc) VALUES (?, ?, ?)", u.ID, p.Number, doc)
	})
}

// choose returns the parts that a completion names, in its order.
func choose(have []part, named []api.CompletedPart) (chosen []part, rest []part, err error) {
	byNumber := map[int]part{}
	for _, p := range have {
		byNumber[p.Number] = p
	}
	last := 0
	for _, c := range named {
		number := wire.Value(c.PartNumber)
		if number <= last {
			return nil, nil, fail(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. The parts list must be specified in order by part number.")
		}
		last = number
		p, ok := byNumber[number]
		if !ok || !sameTag(p.ETag, wire.Value(c.ETag)) || !p.claimed(c) {
			return nil, nil, fail(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
				"PartNumber", strconv.Itoa(number), "ETag", wire.Value(c.ETag))
		}
		chosen = append(chosen, p)
		delete(byNumber, number)
	}
	for _, p := range byNumber {
		rest = append(rest, p)
	}
	return chosen, rest, checkSizes(chosen)
}

// checkSizes refuses small parts; the last may have any size.
func checkSizes(parts []part) error {
	for _, p := range parts[:len(parts)-1] {
		if p.Size < minPart {
			return fail(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
				"ProposedSize", strconv.FormatInt(p.Size, 10), "MinSizeAllowed", strconv.Itoa(minPart), "PartNumber", strconv.Itoa(p.Number), "ETag", p.ETag)
		}
	}
	return nil
}

// claimed reports whether the checksum that a completion gives for a part, if any, is its own.
func (p part) claimed(c api.CompletedPart) bool {
	given, err := claims{CRC32: c.ChecksumCRC32, CRC32C: c.ChecksumCRC32C, CRC64NVME: c.ChecksumCRC64NVME, SHA1: c.ChecksumSHA1, SHA256: c.ChecksumSHA256,
		SHA512: c.ChecksumSHA512, MD5: c.ChecksumMD5}.claim()
	known := func(have checksum) bool { return given.Algorithm == have.Algorithm && given.Value == have.Value }
	return err == nil && (given.Algorithm == "" || known(p.Checksum) || known(p.Given))
}

// assemble makes the object of an upload's parts.
func (u upload) assemble(parts []part) (object, error) {
	o := u.Object
	o.Parts, o.Pieces = parts, len(parts)
	h := md5.New()
	for _, p := range parts {
		o.Size += p.Size
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return o, err
		}
		h.Write(raw)
	}
	if o.Size > maxObject {
		return o, fail(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	o.ETag = hex.EncodeToString(h.Sum(nil)) + suffix(len(parts))
	o.Checksum = combine(u.Algorithm, u.Kind, parts)
	return o, nil
}

// CompleteMultipartUpload makes an object of the parts it names; the others are removed.
func (s *Service) CompleteMultipartUpload(ctx context.Context, in *api.CompleteMultipartUploadInput) (*api.CompleteMultipartUploadOutput, error) {
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, errMalformed
	}
	given, err := claims{CRC32: in.ChecksumCRC32, CRC32C: in.ChecksumCRC32C, CRC64NVME: in.ChecksumCRC64NVME, SHA1: in.ChecksumSHA1, SHA256: in.ChecksumSHA256,
		SHA512: in.ChecksumSHA512, MD5: in.ChecksumMD5}.claim()
	if err != nil {
		return nil, err
	}
	var b bucket
	var o object
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		u, err := oneUpload(tx, in.Bucket, in.Key, in.UploadId)
		if err != nil {
			return err
		}
		have, err := partsOf(tx, u.ID)
		if err != nil {
			return err
		}
		chosen, rest, err := choose(have, in.MultipartUpload.Parts)
		if err != nil {
			return err
		}
		if o, err = u.assemble(chosen); err != nil {
			return err
		}
		if given.Algorithm != "" && (given.Algorithm != o.Checksum.Algorithm || given.Value != o.Checksum.Value) {
			return fail(http.StatusBadRequest, "BadDigest", "The "+given.Algorithm+" you specified did not match the calculated checksum.")
		}
		if in.MpuObjectSize != nil && int64(*in.MpuObjectSize) != o.Size {
			return fail(http.StatusBadRequest, "InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
		}
		if err := errors.Join(s.release(tx, rest), forget(tx, u)); err != nil {
			return err
		}
		b, err = s.keep(ctx, &o, in.IfMatch, in.IfNoneMatch)
		return err
	})
	if err != nil {
		return nil, err
	}
	v := o.Checksum.spread()
	return &api.CompleteMultipartUploadOutput{Bucket: &o.Bucket, Key: &o.Key, ETag: o.etag(), VersionId: b.id(o), ServerSideEncryption: &o.SSE, SSEKMSKeyId: o.KMSKey,
		Location: new(s.Endpoint + "/" + o.Bucket + "/" + o.Key), ChecksumType: &o.Checksum.Type, ChecksumCRC32: v.CRC32, ChecksumCRC32C: v.CRC32C,
		ChecksumCRC64NVME: v.CRC64NVME, ChecksumSHA1: v.SHA1, ChecksumSHA256: v.SHA256}, nil
}

func forget(tx *store.Tx, u upload) error {
	return errors.Join(
		tx.Exec("DELETE FROM s3_uploads WHERE bucket = ? AND key = ? AND id = ?", u.Bucket, u.Key, u.ID),
		tx.Exec("DELETE FROM s3_parts WHERE upload = ?", u.ID))
}

// abort removes an upload with its parts.
func (s *Service) abort(tx *store.Tx, u upload) error {
	parts, err := partsOf(tx, u.ID)
	if err != nil {
		return err
	}
	return errors.Join(s.release(tx, parts), forget(tx, u))
}

// abortAll removes the uploads of a bucket that is deleted.
func (s *Service) abortAll(tx *store.Tx, bucket string) error {
	all, err := uploadsOf(tx, bucket)
	if err != nil {
		return err
	}
	for _, u := range all {
		if err := s.abort(tx, u); err != nil {
			return err
		}
	}
	return nil
}

func uploadsOf(tx *store.Tx, bucket string) (all []upload, err error) {
	rows, err := tx.Query("SELECT doc FROM s3_uploads WHERE bucket = ? ORDER BY key, id", bucket)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var doc sql.RawBytes
		var u upload
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(doc, &u); err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

// AbortMultipartUpload gives an upload up.
func (s *Service) AbortMultipartUpload(ctx context.Context, in *api.AbortMultipartUploadInput) (*api.AbortMultipartUploadOutput, error) {
	return &api.AbortMultipartUploadOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		u, err := oneUpload(tx, in.Bucket, in.Key, in.UploadId)
		if err != nil {
			return err
		}
		return s.abort(tx, u)
	})
}

// ListParts lists the parts that have arrived.
func (s *Service) ListParts(ctx context.Context, in *api.ListPartsInput) (*api.ListPartsOutput, error) {
	u, err := s.upload(ctx, in.Bucket, in.Key, in.UploadId, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	var parts []part
	err = s.see(ctx, in.Bucket, nil, func(tx *store.Tx, b bucket) (err error) {
		parts, err = partsOf(tx, u.ID)
		return err
	})
	after, most := wire.Value(in.PartNumberMarker), partsAtOne
	if in.MaxParts != nil {
		most = min(most, *in.MaxParts)
	}
	account := operation.CallerOf(ctx).Account
	out := &api.ListPartsOutput{Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID, PartNumberMarker: &after, MaxParts: &most, IsTruncated: new(false), StorageClass: u.Object.class(),
		Owner: owner(account), Initiator: &api.Initiator{ID: &u.ARN}, ChecksumAlgorithm: &u.Algorithm, ChecksumType: &u.Kind}
	for _, p := range parts {
		if p.Number <= after {
			continue
		}
		if len(out.Parts) == most {
			out.IsTruncated = new(true)
			break
		}
		v := p.Checksum.spread()
		out.Parts = append(out.Parts, api.Part{PartNumber: &p.Number, ETag: new(`"` + p.ETag + `"`), Size: new(int(p.Size)), LastModified: &p.Modified,
			ChecksumCRC32: v.CRC32, ChecksumCRC32C: v.CRC32C, ChecksumCRC64NVME: v.CRC64NVME, ChecksumSHA1: v.SHA1, ChecksumSHA256: v.SHA256})
		out.NextPartNumberMarker = &p.Number
	}
	return out, err
}
