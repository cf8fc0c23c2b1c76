package s3

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// bucket is a named set of objects. Names are unique in the whole cloud; the region is where the owner asked for it.
type bucket struct {
	Name, Account, Region string
	Created               time.Time
	Versioning            string // "", "Enabled", "Suspended"
	settings
}

var buckets = &store.Table[bucket]{Name: "s3_buckets", By: func(b bucket) string { return b.Account }}

const (
	enabled   = "Enabled"
	suspended = "Suspended"
	usEast1   = "us-east-1"
)

func bucketKey(name string) store.Key {
	return store.Key{Account: store.Global, Region: store.Global, ID: name}
}

func (b bucket) arn() string { return "arn:aws:s3:::" + b.Name }

// owner is an account as S3 names it: by a canonical id.
func owner(account string) *api.Owner {
	sum := sha256.Sum256([]byte("canonical user of " + account))
	return &api.Owner{ID: new(hex.EncodeToString(sum[:]))}
}

// find returns a bucket that the caller's account owns. Other accounts' buckets are reached by their policies on AWS; here they
// are refused.
func find(ctx context.Context, tx *store.Tx, name string, expected *string) (bucket, error) {
	b, err := buckets.Get(tx, bucketKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return b, noBucket(name)
	}
	if err != nil {
		return b, err
	}
	if b.Account != operation.CallerOf(ctx).Account || expected != nil && *expected != b.Account {
		return b, fail(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	return b, nil
}

// see runs f with a bucket.
func (s *Service) see(ctx context.Context, name string, expected *string, f func(tx *store.Tx, b bucket) error) error {
	return s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		b, err := find(ctx, tx, name, expected)
		if err != nil {
			return err
		}
		return f(tx, b)
	})
}

// change runs f with a bucket and keeps what f makes of it.
func (s *Service) change(ctx context.Context, name string, expected *string, f func(tx *store.Tx, b *bucket) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		b, err := find(ctx, tx, name, expected)
		if err != nil {
			return err
		}
		if err := f(tx, &b); err != nil {
			return err
		}
		return buckets.Put(tx, bucketKey(name), b)
	})
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// checkName applies the rules for new buckets.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func checkName(name string) error {
	reserved := slices.ContainsFunc([]string{"xn--", "sthree-", "amzn-s3-demo-"}, func(p string) bool { return strings.HasPrefix(name, p) }) ||
		slices.ContainsFunc([]string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}, func(p string) bool { return strings.HasSuffix(name, p) })
	if !bucketName.MatchString(name) || reserved || strings.Contains(name, "..") || net.ParseIP(name) != nil {
		return fail(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.", "BucketName", name)
	}
	return nil
}

// region is where a new bucket goes: the us-east-1 endpoint makes buckets anywhere, any other in its own region only.
func region(ctx context.Context, in *api.CreateBucketInput) (string, error) {
	here, asked := cmp.Or(operation.CallerOf(ctx).Region, usEast1), ""
	if in.CreateBucketConfiguration != nil {
		asked = wire.Value(in.CreateBucketConfiguration.LocationConstraint)
	}
	if asked == "EU" {
		asked = "eu-west-1"
	}
	if here == usEast1 {
		return cmp.Or(asked, usEast1), nil
	}
	if asked != here {
		return "", fail(http.StatusBadRequest, "IllegalLocationConstraintException",
			"The "+cmp.Or(asked, "unspecified")+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return here, nil
}

// CreateBucket makes a bucket. Making one's own again is an error but in us-east-1, where it always was none.
func (s *Service) CreateBucket(ctx context.Context, in *api.CreateBucketInput) (*api.CreateBucketOutput, error) {
	if err := checkName(in.Bucket); err != nil {
		return nil, err
	}
	where, err := region(ctx, in)
	if err != nil {
		return nil, err
	}
	b := bucket{Name: in.Bucket, Account: operation.CallerOf(ctx).Account, Region: where, Created: s.Clock.Now(), settings: defaults()}
	if in.ObjectOwnership != nil {
		b.Ownership = &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: *in.ObjectOwnership}}}
	}
	if in.CreateBucketConfiguration != nil {
		b.Tags = in.CreateBucketConfiguration.Tags
	}
	if wire.Value(in.ObjectLockEnabledForBucket) {
		return nil, notImplemented("The twin does not lock objects.")
	}
	if err := b.admit(in.ACL); err != nil {
		return nil, fail(http.StatusBadRequest, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	b.ACL = in.ACL
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		old, err := buckets.Get(tx, bucketKey(in.Bucket))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return buckets.Put(tx, bucketKey(in.Bucket), b)
		case err != nil:
			return err
		case old.Account != b.Account:
			return fail(http.StatusConflict, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.", "BucketName", in.Bucket)
		case old.Region == usEast1 && where == usEast1:
			return nil
		}
		return fail(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.", "BucketName", in.Bucket)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateBucketOutput{Location: new("/" + in.Bucket), BucketArn: new(b.arn())}, nil
}

// DeleteBucket removes an empty bucket.
func (s *Service) DeleteBucket(ctx context.Context, in *api.DeleteBucketInput) (*api.DeleteBucketOutput, error) {
	return &api.DeleteBucketOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return err
		}
		var held bool
		if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM s3_objects WHERE bucket = ?)", in.Bucket).Scan(&held); err != nil {
			return err
		}
		if held {
			return errNotEmpty
		}
		if err := s.abortAll(tx, in.Bucket); err != nil {
			return err
		}
		return buckets.Delete(tx, bucketKey(in.Bucket))
	})
}

// HeadBucket says whether a bucket is there and where.
func (s *Service) HeadBucket(ctx context.Context, in *api.HeadBucketInput) (out *api.HeadBucketOutput, err error) {
	err = s.see(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx *store.Tx, b bucket) error {
		out = &api.HeadBucketOutput{BucketRegion: &b.Region, AccessPointAlias: new(false), BucketArn: new(b.arn())}
		return nil
	})
	return out, err
}

// ListBuckets lists the caller's buckets in all regions, by name.
func (s *Service) ListBuckets(ctx context.Context, in *api.ListBucketsInput) (*api.ListBucketsOutput, error) {
	account := operation.CallerOf(ctx).Account
	var all []bucket
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		all, err = buckets.ListBy(tx, store.Global, store.Global, account)
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(b bucket) bool {
		return !strings.HasPrefix(b.Name, wire.Value(in.Prefix)) || in.BucketRegion != nil && *in.BucketRegion != b.Region
	})
	all, next, err := page.Cut(all, in.ContinuationToken, in.MaxBuckets, 10_000, "InvalidArgument")
	if err != nil {
		return nil, err
	}
	out := &api.ListBucketsOutput{Buckets: []api.Bucket{}, Owner: owner(account), Prefix: in.Prefix, ContinuationToken: next}
	for _, b := range all {
		out.Buckets = append(out.Buckets, api.Bucket{Name: &b.Name, CreationDate: &b.Created, BucketRegion: &b.Region, BucketArn: new(b.arn())})
	}
	return out, nil
}

// GetBucketLocation returns the region; none stands for us-east-1.
func (s *Service) GetBucketLocation(ctx context.Context, in *api.GetBucketLocationInput) (out *api.GetBucketLocationOutput, err error) {
	err = s.see(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx *store.Tx, b bucket) error {
		out = &api.GetBucketLocationOutput{}
		if b.Region != usEast1 {
			out.LocationConstraint = &b.Region
		}
		return nil
	})
	return out, err
}
