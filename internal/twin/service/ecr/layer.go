package ecr

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// layer says that a repository holds a blob: a layer, or the configuration of an image.
type layer struct {
	Account, Region, Repository string
	Digest                      string
	Size                        int64
	At                          time.Time // of the upload
}

// upload is a layer that is arriving.
type upload struct {
	Account, Region, Repository string
	ID                          string
	At                          time.Time
}

var (
	layers  = &store.Table[layer]{Name: "ecr_layers", By: func(l layer) string { return l.Repository }}
	uploads = &store.Table[upload]{Name: "ecr_uploads", By: func(u upload) string { return u.Repository }}
)

func (l layer) key() store.Key {
	return store.Key{Account: l.Account, Region: l.Region, ID: l.Repository + "@" + l.Digest}
}

func (u upload) key() store.Key {
	return store.Key{Account: u.Account, Region: u.Region, ID: u.ID}
}

// partSize is what ECR proposes for the parts of an upload.
const partSize = 10 << 20

// layer returns what the repository holds under a digest.
func (r repository) layer(tx *store.Tx, digest string) (layer, error) {
	return layers.Get(tx, layer{Account: r.Account, Region: r.Region, Repository: r.Name, Digest: digest}.key())
}

// BatchCheckLayerAvailability says which layers a repository holds.
func (s *Service) BatchCheckLayerAvailability(ctx context.Context, in *api.BatchCheckLayerAvailabilityInput) (*api.BatchCheckLayerAvailabilityOutput, error) {
	out := &api.BatchCheckLayerAvailabilityOutput{Layers: []api.Layer{}, Failures: []api.LayerFailure{}}
	err := s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		for _, digest := range in.LayerDigests {
			l, err := r.layer(tx, digest)
			switch {
			case !validDigest(digest):
				out.Failures = append(out.Failures, api.LayerFailure{LayerDigest: &digest, FailureCode: new("InvalidLayerDigest"), FailureReason: new("Invalid layer digest")})
			case errors.Is(err, store.ErrNotFound):
				out.Layers = append(out.Layers, api.Layer{LayerDigest: &digest, LayerAvailability: new("UNAVAILABLE")})
			case err != nil:
				return err
			default:
				s.expected.note(l.key(), s.Clock.Now())
				out.Layers = append(out.Layers, api.Layer{LayerDigest: &digest, LayerAvailability: new("AVAILABLE"), LayerSize: new(int(l.Size)),
					MediaType: new("application/vnd.docker.image.rootfs.diff.tar.gzip")})
			}
		}
		return nil
	})
	return out, err
}

// GetDownloadUrlForLayer returns where a layer can be fetched: the registry, by a signed address that works for an hour without
// a password.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html
func (s *Service) GetDownloadUrlForLayer(ctx context.Context, in *api.GetDownloadUrlForLayerInput) (out *api.GetDownloadUrlForLayerOutput, err error) {
	path := ""
	err = s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		path = fmt.Sprintf("/v2/%s/%s/%s/blobs/%s", r.Account, r.Region, r.Name, in.LayerDigest)
		return r.mustHold(tx, in.LayerDigest)
	})
	if err != nil {
		return nil, err
	}
	url, err := s.sign(ctx, path)
	return &api.GetDownloadUrlForLayerOutput{LayerDigest: &in.LayerDigest, DownloadUrl: &url}, err
}

// mustHold is an error where the repository does not hold a layer.
func (r repository) mustHold(tx *store.Tx, digest string) error {
	_, err := r.layer(tx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf("LayersNotFoundException", "The layer with digest '%s' does not exist within the repository with name '%s' in the registry with id '%s'", digest, r.Name, r.Account)
	}
	return err
}

// InitiateLayerUpload begins the upload of a layer.
func (s *Service) InitiateLayerUpload(ctx context.Context, in *api.InitiateLayerUploadInput) (*api.InitiateLayerUploadOutput, error) {
	u := upload{ID: uploadID(), At: s.Clock.Now(), Repository: in.RepositoryName}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, in.RegistryId, in.RepositoryName)
		u.Account, u.Region = r.Account, r.Region
		if err != nil {
			return err
		}
		return uploads.Put(tx, u.key(), u)
	})
	return &api.InitiateLayerUploadOutput{UploadId: &u.ID, PartSize: new(partSize)}, err
}

func uploadID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// upload finds an upload that is under way in a repository.
func (s *Service) upload(ctx context.Context, registryID *string, name, id string) (u upload, err error) {
	err = s.see(ctx, registryID, name, func(tx *store.Tx, r repository) error {
		u, err = uploads.Get(tx, store.Key{Account: r.Account, Region: r.Region, ID: id})
		if errors.Is(err, store.ErrNotFound) || err == nil && u.Repository != name {
			return wire.Errorf("UploadNotFoundException", "Upload with id '%s' does not exist in the repository with name '%s' in the registry with id '%s'", id, r.Name, r.Account)
		}
		return err
	})
	return u, err
}

// UploadLayerPart adds the next part to an upload.
func (s *Service) UploadLayerPart(ctx context.Context, in *api.UploadLayerPartInput) (*api.UploadLayerPartOutput, error) {
	u, err := s.upload(ctx, in.RegistryId, in.RepositoryName, in.UploadId)
	if err != nil {
		return nil, err
	}
	have, err := s.blobs.received(u.ID)
	if err != nil {
		return nil, err
	}
	if int64(in.PartFirstByte) != have || in.PartLastByte-in.PartFirstByte+1 != len(in.LayerPartBlob) {
		return nil, &wire.Error{Code: "InvalidLayerPartException", Message: fmt.Sprintf("The layer part of %d bytes, first byte %d, last byte %d, does not follow the %d bytes received", len(in.LayerPartBlob), in.PartFirstByte, in.PartLastByte, have),
			Fields: map[string]any{"registryId": u.Account, "repositoryName": u.Repository, "uploadId": u.ID, "lastValidByteReceived": have - 1}}
	}
	total, err := s.blobs.add(u.ID, bytes.NewReader(in.LayerPartBlob))
	return &api.UploadLayerPartOutput{RegistryId: &u.Account, RepositoryName: &u.Repository, UploadId: &u.ID, LastByteReceived: new(int(total - 1))}, err
}

// CompleteLayerUpload checks an upload's digest and makes it a layer of the repository. A layer that is there already is no
// mistake: two clients may push the same one at a time.
func (s *Service) CompleteLayerUpload(ctx context.Context, in *api.CompleteLayerUploadInput) (*api.CompleteLayerUploadOutput, error) {
	u, err := s.upload(ctx, in.RegistryId, in.RepositoryName, in.UploadId)
	if err != nil {
		return nil, err
	}
	digest, size, err := s.blobs.digest(u.ID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(in.LayerDigests, digest) {
		return nil, wire.Errorf("InvalidLayerException", "Digest of the uploaded layer, '%s', does not match the given %v", digest, in.LayerDigests)
	}
	s.blobs.lock.Lock()
	defer s.blobs.lock.Unlock()
	if err := s.blobs.keep(u.ID, digest); err != nil {
		return nil, err
	}
	l := layer{Account: u.Account, Region: u.Region, Repository: u.Repository, Digest: digest, Size: size, At: s.Clock.Now()}
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.RegistryId, in.RepositoryName); err != nil {
			return err
		}
		return errors.Join(layers.Put(tx, l.key(), l), uploads.Delete(tx, u.key()))
	})
	return &api.CompleteLayerUploadOutput{RegistryId: &u.Account, RepositoryName: &u.Repository, UploadId: &u.ID, LayerDigest: &digest}, err
}

// mount makes a layer of one repository one of another; false where the first does not hold it.
func (s *Service) mount(ctx context.Context, from, to, digest string) (mounted bool, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		source, err := find(ctx, tx, nil, from)
		if wire.HasCode(err, "RepositoryNotFoundException") {
			return nil
		}
		target, err := find(ctx, tx, nil, to)
		if err != nil {
			return err
		}
		l, err := source.layer(tx, digest)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		mounted = true
		l.Repository, l.At = target.Name, s.Clock.Now()
		return layers.Put(tx, l.key(), l)
	})
	return mounted, err
}

// cancel forgets an upload.
func (s *Service) cancel(ctx context.Context, u upload) error {
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return uploads.Delete(tx, u.key()) })
	return errors.Join(err, remove(s.blobs.uploadPath(u.ID)))
}
