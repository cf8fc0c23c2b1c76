package s3

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// settings are a bucket's configurations, as they were given.
type settings struct {
	Tags         []api.Tag
	ACL          *string
	Policy       string
	Encryption   *api.ServerSideEncryptionConfiguration
	PublicAccess *api.PublicAccessBlockConfiguration
	Ownership    *api.OwnershipControls
	Lifecycle    []api.LifecycleRule
	Logging      *api.LoggingEnabled
	CORS         []api.CORSRule
	Website      *api.WebsiteConfiguration
	Notification *api.NotificationConfiguration
}

const bucketOwnerEnforced = "BucketOwnerEnforced"

// defaults are those of a new bucket since April 2023: private, without access control lists.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
func defaults() settings {
	return settings{
		Ownership:    &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: bucketOwnerEnforced}}},
		PublicAccess: &api.PublicAccessBlockConfiguration{BlockPublicAcls: new(true), BlockPublicPolicy: new(true), IgnorePublicAcls: new(true), RestrictPublicBuckets: new(true)},
	}
}

// enforced reports whether the bucket has no access control lists.
func (s settings) enforced() bool {
	return s.Ownership != nil && len(s.Ownership.Rules) > 0 && s.Ownership.Rules[0].ObjectOwnership == bucketOwnerEnforced
}

// admit refuses a canned list that a bucket without lists cannot keep.
func (s settings) admit(canned *string) error {
	switch wire.Value(canned) {
	case "", "private", "bucket-owner-full-control":
		return nil
	}
	if s.enforced() {
		return errNoACL
	}
	return nil
}

// encryption is what objects are said to be encrypted with where the request says nothing.
func (s settings) encryption() (algorithm string, key *string) {
	if s.Encryption == nil || len(s.Encryption.Rules) == 0 || s.Encryption.Rules[0].ApplyServerSideEncryptionByDefault == nil {
		return aes256, nil
	}
	d := s.Encryption.Rules[0].ApplyServerSideEncryptionByDefault
	return d.SSEAlgorithm, d.KMSMasterKeyID
}

func missing(code, message string) error { return fail(http.StatusNotFound, code, message) }

// set changes a bucket's settings.
func (s *Service) set(ctx context.Context, name string, expected *string, f func(b *bucket) error) error {
	return s.change(ctx, name, expected, func(_ *store.Tx, b *bucket) error { return f(b) })
}

// get reads a bucket's settings.
func (s *Service) get(ctx context.Context, name string, expected *string) (b bucket, err error) {
	err = s.see(ctx, name, expected, func(_ *store.Tx, found bucket) error {
		b = found
		return nil
	})
	return b, err
}

// PutBucketVersioning turns versions on, or suspends them.
func (s *Service) PutBucketVersioning(ctx context.Context, in *api.PutBucketVersioningInput) (*api.PutBucketVersioningOutput, error) {
	return &api.PutBucketVersioningOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.VersioningConfiguration == nil || in.VersioningConfiguration.Status == nil {
			return errStatus
		}
		b.Versioning = *in.VersioningConfiguration.Status
		return nil
	})
}

// GetBucketVersioning says whether the bucket keeps versions; nothing where it never did.
func (s *Service) GetBucketVersioning(ctx context.Context, in *api.GetBucketVersioningInput) (*api.GetBucketVersioningOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketVersioningOutput{Status: wire.Maybe(b.Versioning)}, err
}

// PutBucketPolicy stores the bucket's policy.
func (s *Service) PutBucketPolicy(ctx context.Context, in *api.PutBucketPolicyInput) (*api.PutBucketPolicyOutput, error) {
	return &api.PutBucketPolicyOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if !json.Valid([]byte(in.Policy)) || !strings.HasPrefix(strings.TrimSpace(in.Policy), "{") {
			return fail(http.StatusBadRequest, "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
		}
		if public(in.Policy) && b.PublicAccess != nil && wire.Value(b.PublicAccess.BlockPublicPolicy) {
			return fail(http.StatusForbidden, "AccessDenied", "Access Denied: the policy would make the bucket public, which the BlockPublicPolicy block public access setting prevents")
		}
		b.Policy = in.Policy
		return nil
	})
}

// public reports whether a policy allows everyone something without a condition.
func public(policy string) bool {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return false
	}
	type statement struct {
		Effect    string
		Principal any
		Condition map[string]any
	}
	var all []statement
	var one statement
	if json.Unmarshal(doc.Statement, &all) != nil && json.Unmarshal(doc.Statement, &one) == nil {
		all = []statement{one}
	}
	return slices.ContainsFunc(all, func(s statement) bool {
		principal := s.Principal
		if m, ok := principal.(map[string]any); ok {
			principal = m["AWS"]
		}
		return s.Effect == "Allow" && principal == "*" && len(s.Condition) == 0
	})
}

var errNoPolicy = missing("NoSuchBucketPolicy", "The bucket policy does not exist")

// GetBucketPolicy returns the bucket's policy.
func (s *Service) GetBucketPolicy(ctx context.Context, in *api.GetBucketPolicyInput) (*api.GetBucketPolicyOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && b.Policy == "" {
		err = errNoPolicy
	}
	return &api.GetBucketPolicyOutput{Policy: &b.Policy}, err
}

// DeleteBucketPolicy removes the policy.
func (s *Service) DeleteBucketPolicy(ctx context.Context, in *api.DeleteBucketPolicyInput) (*api.DeleteBucketPolicyOutput, error) {
	return &api.DeleteBucketPolicyOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Policy = ""
		return nil
	})
}

// GetBucketPolicyStatus says whether the policy makes the bucket public.
func (s *Service) GetBucketPolicyStatus(ctx context.Context, in *api.GetBucketPolicyStatusInput) (*api.GetBucketPolicyStatusOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && b.Policy == "" {
		err = errNoPolicy
	}
	return &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: new(public(b.Policy))}}, err
}

// PutBucketTagging replaces the bucket's tags.
func (s *Service) PutBucketTagging(ctx context.Context, in *api.PutBucketTaggingInput) (*api.PutBucketTaggingOutput, error) {
	return &api.PutBucketTaggingOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.Tagging == nil {
			return errMalformed
		}
		b.Tags = in.Tagging.TagSet
		return checkTags(b.Tags, 50)
	})
}

// GetBucketTagging returns the bucket's tags.
func (s *Service) GetBucketTagging(ctx context.Context, in *api.GetBucketTaggingInput) (*api.GetBucketTaggingOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && len(b.Tags) == 0 {
		err = missing("NoSuchTagSet", "The TagSet does not exist")
	}
	return &api.GetBucketTaggingOutput{TagSet: b.Tags}, err
}

// DeleteBucketTagging removes the bucket's tags.
func (s *Service) DeleteBucketTagging(ctx context.Context, in *api.DeleteBucketTaggingInput) (*api.DeleteBucketTaggingOutput, error) {
	return &api.DeleteBucketTaggingOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Tags = nil
		return nil
	})
}

// PutBucketEncryption sets what objects are said to be encrypted with. All are, with keys of the twin's own.
func (s *Service) PutBucketEncryption(ctx context.Context, in *api.PutBucketEncryptionInput) (*api.PutBucketEncryptionOutput, error) {
	return &api.PutBucketEncryptionOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.ServerSideEncryptionConfiguration == nil {
			return errMalformed
		}
		b.Encryption = in.ServerSideEncryptionConfiguration
		return nil
	})
}

// GetBucketEncryption returns the default encryption, which every bucket has.
func (s *Service) GetBucketEncryption(ctx context.Context, in *api.GetBucketEncryptionInput) (*api.GetBucketEncryptionOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if b.Encryption == nil {
		b.Encryption = &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: aes256}, BucketKeyEnabled: new(false)}}}
	}
	return &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: b.Encryption}, err
}

// DeleteBucketEncryption goes back to AES256.
func (s *Service) DeleteBucketEncryption(ctx context.Context, in *api.DeleteBucketEncryptionInput) (*api.DeleteBucketEncryptionOutput, error) {
	return &api.DeleteBucketEncryptionOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Encryption = nil
		return nil
	})
}

// PutPublicAccessBlock records what public access the bucket refuses. Nothing here is public: every request is signed.
func (s *Service) PutPublicAccessBlock(ctx context.Context, in *api.PutPublicAccessBlockInput) (*api.PutPublicAccessBlockOutput, error) {
	return &api.PutPublicAccessBlockOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.PublicAccessBlockConfiguration == nil {
			return errMalformed
		}
		b.PublicAccess = in.PublicAccessBlockConfiguration
		return nil
	})
}

// GetPublicAccessBlock returns what public access the bucket refuses.
func (s *Service) GetPublicAccessBlock(ctx context.Context, in *api.GetPublicAccessBlockInput) (*api.GetPublicAccessBlockOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && b.PublicAccess == nil {
		err = missing("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: b.PublicAccess}, err
}

// DeletePublicAccessBlock refuses no public access any more.
func (s *Service) DeletePublicAccessBlock(ctx context.Context, in *api.DeletePublicAccessBlockInput) (*api.DeletePublicAccessBlockOutput, error) {
	return &api.DeletePublicAccessBlockOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.PublicAccess = nil
		return nil
	})
}

// PutBucketOwnershipControls says whether the bucket has access control lists.
func (s *Service) PutBucketOwnershipControls(ctx context.Context, in *api.PutBucketOwnershipControlsInput) (*api.PutBucketOwnershipControlsOutput, error) {
	return &api.PutBucketOwnershipControlsOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
			return errMalformed
		}
		b.Ownership = in.OwnershipControls
		return nil
	})
}

// GetBucketOwnershipControls says whether the bucket has access control lists.
func (s *Service) GetBucketOwnershipControls(ctx context.Context, in *api.GetBucketOwnershipControlsInput) (*api.GetBucketOwnershipControlsOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && b.Ownership == nil {
		err = missing("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: b.Ownership}, err
}

// DeleteBucketOwnershipControls removes the setting.
func (s *Service) DeleteBucketOwnershipControls(ctx context.Context, in *api.DeleteBucketOwnershipControlsInput) (*api.DeleteBucketOwnershipControlsOutput, error) {
	return &api.DeleteBucketOwnershipControlsOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Ownership = nil
		return nil
	})
}

// PutBucketAcl records the bucket's canned list.
func (s *Service) PutBucketAcl(ctx context.Context, in *api.PutBucketAclInput) (*api.PutBucketAclOutput, error) {
	return &api.PutBucketAclOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if b.enforced() && wire.Value(in.ACL) != "private" {
			return errNoACL
		}
		if in.ACL == nil {
			return notImplemented("The twin keeps canned access control lists only (x-amz-acl).")
		}
		b.ACL = in.ACL
		return nil
	})
}

// GetBucketAcl returns the bucket's access control list.
func (s *Service) GetBucketAcl(ctx context.Context, in *api.GetBucketAclInput) (*api.GetBucketAclOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketAclOutput{Owner: owner(b.Account), Grants: grants(b.Account, b.ACL)}, err
}

// PutBucketLifecycleConfiguration sets the rules by which objects expire.
func (s *Service) PutBucketLifecycleConfiguration(ctx context.Context, in *api.PutBucketLifecycleConfigurationInput) (*api.PutBucketLifecycleConfigurationOutput, error) {
	return &api.PutBucketLifecycleConfigurationOutput{}, s.change(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx *store.Tx, b *bucket) error {
		if in.LifecycleConfiguration == nil || len(in.LifecycleConfiguration.Rules) == 0 {
			return errMalformed
		}
		b.Lifecycle = in.LifecycleConfiguration.Rules
		for i := range b.Lifecycle {
			if b.Lifecycle[i].ID == nil {
				b.Lifecycle[i].ID = new(newVersion())
			}
		}
		tx.AfterCommit(s.wake.Wake)
		return checkLifecycle(b.Lifecycle)
	})
}

// GetBucketLifecycleConfiguration returns the rules.
func (s *Service) GetBucketLifecycleConfiguration(ctx context.Context, in *api.GetBucketLifecycleConfigurationInput) (*api.GetBucketLifecycleConfigurationOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && len(b.Lifecycle) == 0 {
		err = missing("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	return &api.GetBucketLifecycleConfigurationOutput{Rules: b.Lifecycle}, err
}

// DeleteBucketLifecycle removes the rules.
func (s *Service) DeleteBucketLifecycle(ctx context.Context, in *api.DeleteBucketLifecycleInput) (*api.DeleteBucketLifecycleOutput, error) {
	return &api.DeleteBucketLifecycleOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Lifecycle = nil
		return nil
	})
}

// checkLifecycle refuses rules that say nothing or contradict themselves.
func checkLifecycle(rules []api.LifecycleRule) error {
	for _, r := range rules {
		if e := r.Expiration; e != nil && (e.Days != nil && *e.Days < 1 || e.Days != nil && e.Date != nil) {
			return fail(http.StatusBadRequest, "InvalidArgument", "'Days' for Expiration action must be a positive integer")
		}
		if r.Expiration == nil && r.NoncurrentVersionExpiration == nil && r.AbortIncompleteMultipartUpload == nil && len(r.Transitions) == 0 && len(r.NoncurrentVersionTransitions) == 0 {
			return fail(http.StatusBadRequest, "InvalidRequest", "At least one action needs to be specified in a rule")
		}
		if e := r.Expiration; e != nil && e.Date != nil && !e.Date.Equal(e.Date.Truncate(24*time.Hour)) {
			return fail(http.StatusBadRequest, "InvalidArgument", "'Date' must be at midnight GMT")
		}
	}
	return nil
}
