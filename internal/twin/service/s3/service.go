// Package s3 is Amazon S3: buckets and objects, with versions, multipart uploads, checksums, conditions and lifecycle rules.
// What objects consist of lies in encrypted files; everything else is in the store.
// https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
package s3

import (
	"context"
	"path/filepath"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves S3.
type Service struct {
	room.House
	files *files
	wake  room.Signal
}

// Tables are the service's tables.
var Tables = []store.Schema{buckets, objectTables}

// New makes the service.
func New(h room.House) *Service {
	return &Service{House: h, files: newFiles(filepath.Join(h.Dir, "objects"), h.Store), wake: room.NewSignal()}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service:   &operation.Service{API: api.API, Operations: append(s.objectOperations(), s.bucketOperations()...)},
		Resources: s.resources(),
		Run:       s.run,
	}
}

func (s *Service) objectOperations() []operation.Operation {
	recorded := []string{"ACL", "StorageClass", "SSEKMSKeyId", "SSEKMSEncryptionContext", "BucketKeyEnabled", "WebsiteRedirectLocation", "ObjectLockMode",
		"ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP", "RequestPayer"}
	return []operation.Operation{
		operation.Of("PutObject", s.PutObject).Without(recorded...),
		operation.Of("GetObject", s.GetObject),
		operation.Of("HeadObject", s.HeadObject),
		operation.Of("GetObjectAttributes", s.GetObjectAttributes),
		operation.Of("DeleteObject", s.DeleteObject).Without("MFA", "BypassGovernanceRetention", "IfMatchLastModifiedTime", "IfMatchSize"),
		operation.Of("DeleteObjects", s.DeleteObjects).Without("MFA", "BypassGovernanceRetention"),
		operation.Of("CopyObject", s.CopyObject).Without(recorded...),
		operation.Of("CreateMultipartUpload", s.CreateMultipartUpload).Without(recorded...),
		operation.Of("UploadPart", s.UploadPart),
		operation.Of("UploadPartCopy", s.UploadPartCopy),
		operation.Of("CompleteMultipartUpload", s.CompleteMultipartUpload),
		operation.Of("AbortMultipartUpload", s.AbortMultipartUpload).Without("IfMatchInitiatedTime"),
		operation.Of("ListParts", s.ListParts),
		operation.Of("ListMultipartUploads", s.ListMultipartUploads),
		operation.Of("ListObjects", s.ListObjects).Without("OptionalObjectAttributes"),
		operation.Of("ListObjectsV2", s.ListObjectsV2).Without("OptionalObjectAttributes"),
		operation.Of("ListObjectVersions", s.ListObjectVersions).Without("OptionalObjectAttributes"),
		operation.Of("PutObjectTagging", s.PutObjectTagging),
		operation.Of("GetObjectTagging", s.GetObjectTagging),
		operation.Of("DeleteObjectTagging", s.DeleteObjectTagging),
		operation.RecordedOf("PutObjectAcl", s.PutObjectAcl),
		operation.Of("GetObjectAcl", s.GetObjectAcl),
	}
}

func (s *Service) bucketOperations() []operation.Operation {
	return []operation.Operation{
		operation.Of("CreateBucket", s.CreateBucket).Without("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP", "BucketNamespace"),
		operation.Of("DeleteBucket", s.DeleteBucket),
		operation.Of("HeadBucket", s.HeadBucket),
		operation.Of("ListBuckets", s.ListBuckets),
		operation.Of("GetBucketLocation", s.GetBucketLocation),
		operation.Of("PutBucketVersioning", s.PutBucketVersioning).Without("MFA"),
		operation.Of("GetBucketVersioning", s.GetBucketVersioning),
		operation.RecordedOf("PutBucketPolicy", s.PutBucketPolicy),
		operation.Of("GetBucketPolicy", s.GetBucketPolicy),
		operation.Of("DeleteBucketPolicy", s.DeleteBucketPolicy),
		operation.Of("GetBucketPolicyStatus", s.GetBucketPolicyStatus),
		operation.Of("PutBucketTagging", s.PutBucketTagging),
		operation.Of("GetBucketTagging", s.GetBucketTagging),
		operation.Of("DeleteBucketTagging", s.DeleteBucketTagging),
		operation.RecordedOf("PutBucketEncryption", s.PutBucketEncryption),
		operation.Of("GetBucketEncryption", s.GetBucketEncryption),
		operation.Of("DeleteBucketEncryption", s.DeleteBucketEncryption),
		operation.Of("PutPublicAccessBlock", s.PutPublicAccessBlock),
		operation.Of("GetPublicAccessBlock", s.GetPublicAccessBlock),
		operation.Of("DeletePublicAccessBlock", s.DeletePublicAccessBlock),
		operation.Of("PutBucketLifecycleConfiguration", s.PutBucketLifecycleConfiguration).Without("TransitionDefaultMinimumObjectSize"),
		operation.Of("GetBucketLifecycleConfiguration", s.GetBucketLifecycleConfiguration),
		operation.Of("DeleteBucketLifecycle", s.DeleteBucketLifecycle),
		operation.Of("PutBucketOwnershipControls", s.PutBucketOwnershipControls),
		operation.Of("GetBucketOwnershipControls", s.GetBucketOwnershipControls),
		operation.Of("DeleteBucketOwnershipControls", s.DeleteBucketOwnershipControls),
		operation.RecordedOf("PutBucketAcl", s.PutBucketAcl),
		operation.Of("GetBucketAcl", s.GetBucketAcl),
		operation.RecordedOf("PutBucketLogging", s.PutBucketLogging),
		operation.Of("GetBucketLogging", s.GetBucketLogging),
		operation.RecordedOf("PutBucketCors", s.PutBucketCors),
		operation.Of("GetBucketCors", s.GetBucketCors),
		operation.Of("DeleteBucketCors", s.DeleteBucketCors),
		operation.RecordedOf("PutBucketWebsite", s.PutBucketWebsite),
		operation.Of("GetBucketWebsite", s.GetBucketWebsite),
		operation.Of("DeleteBucketWebsite", s.DeleteBucketWebsite),
		operation.RecordedOf("PutBucketNotificationConfiguration", s.PutBucketNotificationConfiguration),
		operation.Of("GetBucketNotificationConfiguration", s.GetBucketNotificationConfiguration),
		operation.Of("GetBucketAccelerateConfiguration", s.GetBucketAccelerateConfiguration),
		operation.Of("GetBucketRequestPayment", s.GetBucketRequestPayment),
		operation.Of("GetBucketReplication", s.GetBucketReplication),
		operation.Of("GetObjectLockConfiguration", s.GetObjectLockConfiguration),
	}
}

// run sweeps what the last run left behind, then applies lifecycle rules every hour and when they change.
func (s *Service) run(ctx context.Context) error {
	if err := s.sweep(ctx); err != nil {
		s.Log.Error("object files not swept", "error", err)
	}
	for {
		if err := s.applyLifecycles(ctx); err != nil {
			s.Log.Error("lifecycle rules not applied", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-s.Clock.After(time.Hour):
		}
	}
}

// sweep removes files that no row names: those of writes that a kill cut short.
func (s *Service) sweep(ctx context.Context) error {
	return s.files.sweep(func(id string) (known bool, err error) {
		err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
			return tx.QueryRow("SELECT EXISTS (SELECT 1 FROM s3_files WHERE id = ?)", id).Scan(&known)
		})
		return known, err
	})
}
