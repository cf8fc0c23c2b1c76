// Package ecr is Amazon Elastic Container Registry: the repository API, and a real OCI registry under /v2/ of the twin's own
// address that docker pushes to and pulls from.
//
// The registry is a protocol over the API: a manifest that is pushed becomes a PutImage, a layer that is asked for a
// GetDownloadUrlForLayer, each as the caller that the token was given to; so ECR's rules, permissions and audit trail hold on
// both ways.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/what-is-ecr.html
package ecr

import (
	"context"
	"path/filepath"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves ECR.
type Service struct {
	room.House
	blobs    *blobs
	expected *expectation
	wake     room.Signal
}

// Tables are the service's tables.
var Tables = []store.Schema{repositories, images, layers, uploads}

// New makes the service.
func New(h room.House) *Service {
	return &Service{House: h, blobs: &blobs{dir: filepath.Join(h.Dir, "registry")}, expected: newExpectation(), wake: room.NewSignal()}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service:   &operation.Service{API: api.API, Operations: s.operations()},
		Resources: s.resources(),
		Run:       s.run,
		Handler:   &registry{Service: s, ecr: api.Client{Invoker: s.Invoker}},
	}
}

func (s *Service) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of("CreateRepository", s.CreateRepository).Without("EncryptionConfiguration", "ImageScanningConfiguration"),
		operation.Of("DescribeRepositories", s.DescribeRepositories),
		operation.Of("DeleteRepository", s.DeleteRepository),
		operation.Of("GetAuthorizationToken", s.GetAuthorizationToken),
		operation.Of("DescribeImages", s.DescribeImages),
		operation.Of("ListImages", s.ListImages),
		operation.Of("BatchGetImage", s.BatchGetImage),
		operation.Of("BatchDeleteImage", s.BatchDeleteImage),
		operation.Of("PutImage", s.PutImage),
		operation.Of("PutImageTagMutability", s.PutImageTagMutability),
		operation.RecordedOf("PutImageScanningConfiguration", s.PutImageScanningConfiguration),
		operation.Of("PutLifecyclePolicy", s.PutLifecyclePolicy),
		operation.Of("GetLifecyclePolicy", s.GetLifecyclePolicy),
		operation.Of("DeleteLifecyclePolicy", s.DeleteLifecyclePolicy),
		operation.RecordedOf("SetRepositoryPolicy", s.SetRepositoryPolicy),
		operation.Of("GetRepositoryPolicy", s.GetRepositoryPolicy),
		operation.Of("DeleteRepositoryPolicy", s.DeleteRepositoryPolicy),
		operation.Of("TagResource", s.TagResource),
		operation.Of("UntagResource", s.UntagResource),
		operation.Of("ListTagsForResource", s.ListTagsForResource),
		operation.Of("DescribeRegistry", s.DescribeRegistry),
		operation.Of("BatchCheckLayerAvailability", s.BatchCheckLayerAvailability),
		operation.Of("GetDownloadUrlForLayer", s.GetDownloadUrlForLayer),
		operation.Of("InitiateLayerUpload", s.InitiateLayerUpload),
		operation.Of("UploadLayerPart", s.UploadLayerPart),
		operation.Of("CompleteLayerUpload", s.CompleteLayerUpload),
	}
}

// tidyEvery is how often lifecycle policies and leftovers are looked at when nothing changes.
const tidyEvery = time.Hour

// run applies lifecycle policies and removes files that nothing refers to, at the start, after every change and every hour.
func (s *Service) run(ctx context.Context) error {
	for {
		if err := s.expire(ctx); err != nil {
			s.Log.Error("lifecycle policies not applied", "error", err)
		}
		if err := s.sweep(ctx); err != nil {
			s.Log.Error("registry files not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-s.Clock.After(tidyEvery):
		}
	}
}
