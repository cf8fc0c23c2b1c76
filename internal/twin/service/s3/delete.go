package s3

import (
	"context"
	"errors"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// deletion is what a deletion did.
type deletion struct {
	marker  bool // a delete marker was made or removed
	version *string
}

// remove deletes a key, or one version of it. In a bucket with versions a key is only marked as deleted.
func (s *Service) remove(tx *store.Tx, b bucket, key, version string) (deletion, error) {
	if version != "" {
		o, err := oneObject(tx, "bucket = ? AND key = ? AND version = ?", b.Name, key, version)
		if errors.Is(err, store.ErrNotFound) {
			return deletion{version: &version}, nil
		}
		if err != nil {
			return deletion{}, err
		}
		return deletion{marker: o.Marker, version: &version}, s.discard(tx, b.Name, key, version)
	}
	if b.Versioning == "" {
		if err := s.discard(tx, b.Name, key, unversioned); !errors.Is(err, store.ErrNotFound) {
			return deletion{}, err
		}
		return deletion{}, nil
	}
	marker := object{Bucket: b.Name, Key: key, Marker: true, Modified: s.Clock.Now()}
	if err := s.add(tx, b, &marker); err != nil {
		return deletion{}, err
	}
	return deletion{marker: true, version: &marker.Version}, nil
}

// DeleteObject removes an object; one that is not there is no error.
func (s *Service) DeleteObject(ctx context.Context, in *api.DeleteObjectInput) (*api.DeleteObjectOutput, error) {
	var done deletion
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		b, err := find(ctx, tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if in.IfMatch != nil {
			o, err := current(tx, in.Bucket, in.Key, wire.Value(in.VersionId))
			if err != nil {
				return err
			}
			if !sameTag(o.ETag, *in.IfMatch) {
				return preconditionFailed("If-Match")
			}
		}
		done, err = s.remove(tx, b, in.Key, wire.Value(in.VersionId))
		return err
	})
	return &api.DeleteObjectOutput{DeleteMarker: wire.Maybe(done.marker), VersionId: done.version}, err
}

// DeleteObjects removes up to a thousand objects.
func (s *Service) DeleteObjects(ctx context.Context, in *api.DeleteObjectsInput) (*api.DeleteObjectsOutput, error) {
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > 1000 {
		return nil, errMalformed
	}
	out := &api.DeleteObjectsOutput{}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		b, err := find(ctx, tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		for _, o := range in.Delete.Objects {
			if o.ETag != nil {
				if now, err := current(tx, in.Bucket, o.Key, wire.Value(o.VersionId)); err != nil || !sameTag(now.ETag, *o.ETag) {
					out.Errors = append(out.Errors, api.Error{Key: &o.Key, VersionId: o.VersionId, Code: new("PreconditionFailed"), Message: new("At least one of the pre-conditions you specified did not hold")})
					continue
				}
			}
			done, err := s.remove(tx, b, o.Key, wire.Value(o.VersionId))
			if err != nil {
				return err
			}
			if wire.Value(in.Delete.Quiet) {
				continue
			}
			entry := api.DeletedObject{Key: &o.Key, VersionId: o.VersionId}
			if done.marker {
				entry.DeleteMarker, entry.DeleteMarkerVersionId = new(true), done.version
			}
			out.Deleted = append(out.Deleted, entry)
		}
		return nil
	})
	return out, err
}

// rewriteObject changes a version of an object in place.
func (s *Service) rewriteObject(ctx context.Context, name, key string, version, expected *string, f func(b bucket, o *object) error) (id *string, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		b, err := find(ctx, tx, name, expected)
		if err != nil {
			return err
		}
		o, err := current(tx, name, key, wire.Value(version))
		if err != nil {
			return err
		}
		if err := f(b, &o); err != nil {
			return err
		}
		id = b.id(o)
		return rewrite(tx, o)
	})
	return id, err
}

// PutObjectTagging replaces an object's tags.
func (s *Service) PutObjectTagging(ctx context.Context, in *api.PutObjectTaggingInput) (*api.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, errMalformed
	}
	id, err := s.rewriteObject(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, func(_ bucket, o *object) error {
		o.Tags = in.Tagging.TagSet
		return checkTags(o.Tags, 10)
	})
	return &api.PutObjectTaggingOutput{VersionId: id}, err
}

// DeleteObjectTagging removes an object's tags.
func (s *Service) DeleteObjectTagging(ctx context.Context, in *api.DeleteObjectTaggingInput) (*api.DeleteObjectTaggingOutput, error) {
	id, err := s.rewriteObject(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, func(_ bucket, o *object) error {
		o.Tags = nil
		return nil
	})
	return &api.DeleteObjectTaggingOutput{VersionId: id}, err
}

// GetObjectTagging returns an object's tags.
func (s *Service) GetObjectTagging(ctx context.Context, in *api.GetObjectTaggingInput) (*api.GetObjectTaggingOutput, error) {
	b, o, err := s.pick(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, conditions{})
	return &api.GetObjectTaggingOutput{TagSet: append([]api.Tag{}, o.Tags...), VersionId: b.id(o)}, err
}

// PutObjectAcl records an object's access control list, where the bucket has such lists at all.
func (s *Service) PutObjectAcl(ctx context.Context, in *api.PutObjectAclInput) (*api.PutObjectAclOutput, error) {
	_, err := s.rewriteObject(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, func(b bucket, o *object) error {
		if b.enforced() {
			return errNoACL
		}
		if in.ACL == nil {
			return notImplemented("The twin keeps canned access control lists only (x-amz-acl).")
		}
		o.ACL = in.ACL
		return nil
	})
	return &api.PutObjectAclOutput{}, err
}

// GetObjectAcl returns an object's access control list.
func (s *Service) GetObjectAcl(ctx context.Context, in *api.GetObjectAclInput) (*api.GetObjectAclOutput, error) {
	b, o, err := s.pick(ctx, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, conditions{})
	if err != nil {
		return nil, err
	}
	return &api.GetObjectAclOutput{Owner: owner(b.Account), Grants: grants(b.Account, o.ACL)}, nil
}

const (
	everyone      = "http://acs.amazonaws.com/groups/global/AllUsers"
	authenticated = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
)

// grants are what a canned list stands for.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
func grants(account string, canned *string) []api.Grant {
	all := []api.Grant{{Permission: new("FULL_CONTROL"), Grantee: &api.Grantee{Type: "CanonicalUser", ID: owner(account).ID}}}
	group := func(uri, permission string) {
		all = append(all, api.Grant{Permission: &permission, Grantee: &api.Grantee{Type: "Group", URI: &uri}})
	}
	switch wire.Value(canned) {
	case "public-read":
		group(everyone, "READ")
	case "public-read-write":
		group(everyone, "READ")
		group(everyone, "WRITE")
	case "authenticated-read":
		group(authenticated, "READ")
	}
	return all
}
