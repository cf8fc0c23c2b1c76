package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{{
		Name: "AWS::S3::Bucket", Fidelity: operation.Runs,
		Inert: []string{"AccelerateConfiguration", "AccessControl", "AnalyticsConfigurations", "BucketEncryption", "CorsConfiguration", "IntelligentTieringConfigurations",
			"InventoryConfigurations", "LoggingConfiguration", "MetadataConfiguration", "MetadataTableConfiguration", "MetricsConfigurations", "NotificationConfiguration",
			"ObjectLockConfiguration", "ObjectLockEnabled", "ReplicationConfiguration", "WebsiteConfiguration"},
		Create: s.createBucket,
		Update: func(ctx context.Context, r resource.Request) error { return s.configure(ctx, r.PhysicalID, r) },
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteBucket(ctx, &api.DeleteBucketInput{Bucket: r.PhysicalID})
			return resource.Absent(err, "NoSuchBucket")
		},
		Attributes: s.bucketAttributes,
	}, {
		Name: "AWS::S3::BucketPolicy", Fidelity: operation.Recorded,
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			return r.Text("Bucket"), s.putPolicy(ctx, r)
		},
		Update: s.putPolicy,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteBucketPolicy(ctx, &api.DeleteBucketPolicyInput{Bucket: r.PhysicalID})
			return resource.Absent(err, "NoSuchBucket")
		},
	}}
}

func (s *Service) putPolicy(ctx context.Context, r resource.Request) error {
	text, ok := r.Properties["PolicyDocument"].(string)
	if !ok {
		doc, err := json.Marshal(r.Properties["PolicyDocument"])
		if err != nil {
			return fmt.Errorf("PolicyDocument: %w", err)
		}
		text = string(doc)
	}
	_, err := s.PutBucketPolicy(ctx, &api.PutBucketPolicyInput{Bucket: r.Text("Bucket"), Policy: text})
	return err
}

func (s *Service) createBucket(ctx context.Context, r resource.Request) (string, error) {
	name := strings.ToLower(r.Name("BucketName", 63))
	in := &api.CreateBucketInput{Bucket: name}
	if region := operation.CallerOf(ctx).Region; region != usEast1 {
		in.CreateBucketConfiguration = &api.CreateBucketConfiguration{LocationConstraint: &region}
	}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		exists, err := buckets.Has(tx, bucketKey(name))
		if exists {
			return fail(409, "BucketAlreadyExists", name+" already exists")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if _, err := s.CreateBucket(ctx, in); err != nil {
		return "", err
	}
	return name, s.configure(ctx, name, r)
}

// bucketProperties are the properties of AWS::S3::Bucket that are kept with the bucket.
type bucketProperties struct {
	VersioningConfiguration        *api.VersioningConfiguration
	PublicAccessBlockConfiguration *api.PublicAccessBlockConfiguration
	OwnershipControls              *api.OwnershipControls
	BucketEncryption               *struct {
		ServerSideEncryptionConfiguration []struct {
			BucketKeyEnabled              *bool
			ServerSideEncryptionByDefault *api.ServerSideEncryptionByDefault
		}
	}
	LifecycleConfiguration *struct{ Rules []lifecycleProperty }
	CorsConfiguration      *struct {
		CorsRules []struct {
			AllowedHeaders, AllowedMethods, AllowedOrigins, ExposedHeaders []string
			ID                                                             *string `json:"Id"`
			MaxAge                                                         *int
		}
	}
	WebsiteConfiguration *struct {
		IndexDocument, ErrorDocument *string
	}
}

// lifecycleProperty is a lifecycle rule as CloudFormation writes it.
type lifecycleProperty struct {
	ID                                *string `json:"Id"`
	Status                            string
	Prefix                            *string
	TagFilters                        []api.Tag
	ObjectSizeGreaterThan             *json.Number
	ObjectSizeLessThan                *json.Number
	ExpirationInDays                  *int
	ExpirationDate                    *time.Time
	ExpiredObjectDeleteMarker         *bool
	NoncurrentVersionExpirationInDays *int
	NoncurrentVersionExpiration       *api.NoncurrentVersionExpiration
	AbortIncompleteMultipartUpload    *api.AbortIncompleteMultipartUpload
}

func (p lifecycleProperty) rule() api.LifecycleRule {
	r := api.LifecycleRule{ID: p.ID, Status: p.Status, NoncurrentVersionExpiration: p.NoncurrentVersionExpiration, AbortIncompleteMultipartUpload: p.AbortIncompleteMultipartUpload}
	if p.NoncurrentVersionExpirationInDays != nil {
		r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: p.NoncurrentVersionExpirationInDays}
	}
	if p.ExpirationInDays != nil || p.ExpirationDate != nil || p.ExpiredObjectDeleteMarker != nil {
		r.Expiration = &api.LifecycleExpiration{Days: p.ExpirationInDays, Date: p.ExpirationDate, ExpiredObjectDeleteMarker: p.ExpiredObjectDeleteMarker}
	}
	r.Filter = &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Prefix: p.Prefix, Tags: p.TagFilters,
		ObjectSizeGreaterThan: number(p.ObjectSizeGreaterThan), ObjectSizeLessThan: number(p.ObjectSizeLessThan)}}
	return r
}

func number(n *json.Number) *int {
	if n == nil {
		return nil
	}
	v, err := n.Int64()
	if err != nil {
		return nil
	}
	return new(int(v))
}

// configure makes the bucket's settings those of the properties; what they do not say is as in a new bucket.
func (s *Service) configure(ctx context.Context, name string, r resource.Request) error {
	doc, err := json.Marshal(r.Properties)
	if err != nil {
		return err
	}
	var p bucketProperties
	if err := json.Unmarshal(doc, &p); err != nil {
		return fail(400, "ValidationError", "Properties validation failed: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	return s.change(ctx, name, nil, func(tx *store.Tx, b *bucket) error {
		policy, versioning := b.Policy, b.Versioning
		b.settings = defaults()
		b.Policy = policy
		b.Tags = resource.TagList(r.AllTags(), func(k, v string) api.Tag { return api.Tag{Key: k, Value: v} })
		p.apply(b)
		if versioning != "" && b.Versioning == "" {
			b.Versioning = suspended
		}
		tx.AfterCommit(s.wake.Wake)
		return checkLifecycle(b.Lifecycle)
	})
}

func (p bucketProperties) apply(b *bucket) {
	b.Versioning = ""
	if p.VersioningConfiguration != nil && p.VersioningConfiguration.Status != nil {
		b.Versioning = *p.VersioningConfiguration.Status
	}
	if p.PublicAccessBlockConfiguration != nil {
		b.PublicAccess = p.PublicAccessBlockConfiguration
	}
	if p.OwnershipControls != nil {
		b.Ownership = p.OwnershipControls
	}
	if p.BucketEncryption != nil {
		b.Encryption = &api.ServerSideEncryptionConfiguration{}
		for _, rule := range p.BucketEncryption.ServerSideEncryptionConfiguration {
			b.Encryption.Rules = append(b.Encryption.Rules, api.ServerSideEncryptionRule{BucketKeyEnabled: rule.BucketKeyEnabled, ApplyServerSideEncryptionByDefault: rule.ServerSideEncryptionByDefault})
		}
	}
	if p.LifecycleConfiguration != nil {
		for _, rule := range p.LifecycleConfiguration.Rules {
			b.Lifecycle = append(b.Lifecycle, rule.rule())
		}
	}
	if p.CorsConfiguration != nil {
		for _, c := range p.CorsConfiguration.CorsRules {
			b.CORS = append(b.CORS, api.CORSRule{AllowedHeaders: c.AllowedHeaders, AllowedMethods: c.AllowedMethods, AllowedOrigins: c.AllowedOrigins,
				ExposeHeaders: c.ExposedHeaders, ID: c.ID, MaxAgeSeconds: c.MaxAge})
		}
	}
	if w := p.WebsiteConfiguration; w != nil {
		b.Website = &api.WebsiteConfiguration{}
		if w.IndexDocument != nil {
			b.Website.IndexDocument = &api.IndexDocument{Suffix: *w.IndexDocument}
		}
		if w.ErrorDocument != nil {
			b.Website.ErrorDocument = &api.ErrorDocument{Key: *w.ErrorDocument}
		}
	}
}

func (s *Service) bucketAttributes(ctx context.Context, r resource.Request) (attributes map[string]any, err error) {
	err = s.see(ctx, r.PhysicalID, nil, func(tx *store.Tx, b bucket) error {
		attributes = map[string]any{
			"Arn": b.arn(), "DomainName": b.Name + ".s3.amazonaws.com", "RegionalDomainName": b.Name + ".s3." + b.Region + ".amazonaws.com",
			"DualStackDomainName": b.Name + ".s3.dualstack." + b.Region + ".amazonaws.com", "WebsiteURL": "http://" + b.Name + ".s3-website-" + b.Region + ".amazonaws.com",
		}
		return nil
	})
	return attributes, err
}
