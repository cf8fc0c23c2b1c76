package s3

import (
	"context"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/wire"
)

// The configurations in this file are kept and returned; nothing here acts on them.

// PutBucketLogging records where access logs should go.
func (s *Service) PutBucketLogging(ctx context.Context, in *api.PutBucketLoggingInput) (*api.PutBucketLoggingOutput, error) {
	return &api.PutBucketLoggingOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.BucketLoggingStatus == nil {
			return errMalformed
		}
		b.Logging = in.BucketLoggingStatus.LoggingEnabled
		return nil
	})
}

// GetBucketLogging returns where access logs should go.
func (s *Service) GetBucketLogging(ctx context.Context, in *api.GetBucketLoggingInput) (*api.GetBucketLoggingOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketLoggingOutput{LoggingEnabled: b.Logging}, err
}

// PutBucketCors records the rules for browsers of other origins.
func (s *Service) PutBucketCors(ctx context.Context, in *api.PutBucketCorsInput) (*api.PutBucketCorsOutput, error) {
	return &api.PutBucketCorsOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.CORSConfiguration == nil || len(in.CORSConfiguration.CORSRules) == 0 {
			return errMalformed
		}
		b.CORS = in.CORSConfiguration.CORSRules
		return nil
	})
}

// GetBucketCors returns the rules for browsers of other origins.
func (s *Service) GetBucketCors(ctx context.Context, in *api.GetBucketCorsInput) (*api.GetBucketCorsOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && len(b.CORS) == 0 {
		err = missing("NoSuchCORSConfiguration", "The CORS configuration does not exist")
	}
	return &api.GetBucketCorsOutput{CORSRules: b.CORS}, err
}

// DeleteBucketCors removes the rules for browsers of other origins.
func (s *Service) DeleteBucketCors(ctx context.Context, in *api.DeleteBucketCorsInput) (*api.DeleteBucketCorsOutput, error) {
	return &api.DeleteBucketCorsOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.CORS = nil
		return nil
	})
}

// PutBucketWebsite records how the bucket would be served as a site.
func (s *Service) PutBucketWebsite(ctx context.Context, in *api.PutBucketWebsiteInput) (*api.PutBucketWebsiteOutput, error) {
	return &api.PutBucketWebsiteOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		if in.WebsiteConfiguration == nil {
			return errMalformed
		}
		b.Website = in.WebsiteConfiguration
		return nil
	})
}

// GetBucketWebsite returns how the bucket would be served as a site.
func (s *Service) GetBucketWebsite(ctx context.Context, in *api.GetBucketWebsiteInput) (*api.GetBucketWebsiteOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err == nil && b.Website == nil {
		err = missing("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
	}
	if err != nil {
		return nil, err
	}
	w := b.Website
	return &api.GetBucketWebsiteOutput{IndexDocument: w.IndexDocument, ErrorDocument: w.ErrorDocument, RedirectAllRequestsTo: w.RedirectAllRequestsTo, RoutingRules: w.RoutingRules}, nil
}

// DeleteBucketWebsite removes the site's configuration.
func (s *Service) DeleteBucketWebsite(ctx context.Context, in *api.DeleteBucketWebsiteInput) (*api.DeleteBucketWebsiteOutput, error) {
	return &api.DeleteBucketWebsiteOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Website = nil
		return nil
	})
}

// PutBucketNotificationConfiguration records who wants to be told of changes.
func (s *Service) PutBucketNotificationConfiguration(ctx context.Context, in *api.PutBucketNotificationConfigurationInput) (*api.PutBucketNotificationConfigurationOutput, error) {
	return &api.PutBucketNotificationConfigurationOutput{}, s.set(ctx, in.Bucket, in.ExpectedBucketOwner, func(b *bucket) error {
		b.Notification = in.NotificationConfiguration
		return nil
	})
}

// GetBucketNotificationConfiguration returns who wants to be told of changes.
func (s *Service) GetBucketNotificationConfiguration(ctx context.Context, in *api.GetBucketNotificationConfigurationInput) (*api.GetBucketNotificationConfigurationOutput, error) {
	b, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	n := wire.Value(b.Notification)
	return &api.GetBucketNotificationConfigurationOutput{EventBridgeConfiguration: n.EventBridgeConfiguration, LambdaFunctionConfigurations: n.LambdaFunctionConfigurations,
		QueueConfigurations: n.QueueConfigurations, TopicConfigurations: n.TopicConfigurations}, err
}

// GetBucketAccelerateConfiguration: no bucket here is accelerated.
func (s *Service) GetBucketAccelerateConfiguration(ctx context.Context, in *api.GetBucketAccelerateConfigurationInput) (*api.GetBucketAccelerateConfigurationOutput, error) {
	_, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketAccelerateConfigurationOutput{}, err
}

// GetBucketRequestPayment: the owner pays.
func (s *Service) GetBucketRequestPayment(ctx context.Context, in *api.GetBucketRequestPaymentInput) (*api.GetBucketRequestPaymentOutput, error) {
	_, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &api.GetBucketRequestPaymentOutput{Payer: new("BucketOwner")}, err
}

// GetBucketReplication: no bucket here is replicated.
func (s *Service) GetBucketReplication(ctx context.Context, in *api.GetBucketReplicationInput) (*api.GetBucketReplicationOutput, error) {
	if _, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	return nil, missing("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
}

// GetObjectLockConfiguration: no bucket here locks objects.
func (s *Service) GetObjectLockConfiguration(ctx context.Context, in *api.GetObjectLockConfigurationInput) (*api.GetObjectLockConfigurationOutput, error) {
	if _, err := s.get(ctx, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	return nil, missing("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
}
