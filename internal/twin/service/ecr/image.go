package ecr

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// image is a manifest that a repository holds.
type image struct {
	Account, Region, Repository string
	Digest                      string
	MediaType                   string
	ArtifactType                string
	Manifest                    string
	Layers                      []string // digests of the blobs it needs, the configuration's too
	Children                    []string // digests of the images in a list
	Subject                     string   // digest of the image that this one is about
	Size                        int64    // bytes, compressed; of a list the largest of its images
	Tags                        []string // in the order they were given
	Pushed                      time.Time
	Pulled                      time.Time
}

var images = &store.Table[image]{Name: "ecr_images", By: func(i image) string { return i.Repository }}

func (i image) key() store.Key {
	return store.Key{Account: i.Account, Region: i.Region, ID: i.Repository + "@" + i.Digest}
}

func (i image) id(tag string) *api.ImageIdentifier {
	return &api.ImageIdentifier{ImageDigest: &i.Digest, ImageTag: wire.Maybe(tag)}
}

func (r repository) image(tx *store.Tx, digest string) (image, error) {
	return images.Get(tx, image{Account: r.Account, Region: r.Region, Repository: r.Name, Digest: digest}.key())
}

func (r repository) images(tx *store.Tx) ([]image, error) {
	return images.ListBy(tx, r.Account, r.Region, r.Name)
}

// tagged returns the image that has a tag.
func (r repository) tagged(tx *store.Tx, tag string) (image, error) {
	all, err := r.images(tx)
	if err != nil {
		return image{}, err
	}
	if n := slices.IndexFunc(all, func(i image) bool { return slices.Contains(i.Tags, tag) }); n >= 0 {
		return all[n], nil
	}
	return image{}, store.ErrNotFound
}

// pick returns the image of an identifier; with both a digest and a tag, they must be of one image.
func (r repository) pick(tx *store.Tx, id api.ImageIdentifier) (image, error) {
	if id.ImageDigest == nil {
		return r.tagged(tx, wire.Value(id.ImageTag))
	}
	i, err := r.image(tx, *id.ImageDigest)
	if err == nil && id.ImageTag != nil && !slices.Contains(i.Tags, *id.ImageTag) {
		return i, store.ErrNotFound
	}
	return i, err
}

// PutImage makes a manifest an image of the repository and gives it a tag, which another image then loses.
func (s *Service) PutImage(ctx context.Context, in *api.PutImageInput) (out *api.PutImageOutput, err error) {
	m, err := parseManifest(in.ImageManifest, wire.Value(in.ImageManifestMediaType))
	if err != nil {
		return nil, err
	}
	digest := digestOf([]byte(in.ImageManifest))
	if in.ImageDigest != nil && *in.ImageDigest != digest {
		return nil, wire.Errorf("ImageDigestDoesNotMatchException", "The specified image digest '%s' does not match the digest '%s' that Amazon ECR calculated for the image", *in.ImageDigest, digest)
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, in.RegistryId, in.RepositoryName)
		if err != nil {
			return err
		}
		i, known, err := s.received(tx, r, m, digest, in.ImageManifest)
		if err != nil {
			return err
		}
		if err := r.tag(tx, &i, wire.Value(in.ImageTag), known); err != nil {
			return err
		}
		out = &api.PutImageOutput{Image: r.shape(i, wire.Value(in.ImageTag))}
		tx.AfterCommit(s.wake.Wake)
		return images.Put(tx, i.key(), i)
	})
	if err == nil {
		s.Changed.Notify()
	}
	return out, err
}

// received is the image that a manifest makes, or the one that it already is.
func (s *Service) received(tx *store.Tx, r repository, m manifest, digest, text string) (i image, known bool, err error) {
	if i, err = r.image(tx, digest); !errors.Is(err, store.ErrNotFound) {
		return i, err == nil, err
	}
	i = image{Account: r.Account, Region: r.Region, Repository: r.Name, Digest: digest, MediaType: m.MediaType, Manifest: text, Pushed: s.Clock.Now(),
		Layers: m.blobs(), Children: m.children(), Size: m.size(), ArtifactType: m.ArtifactType}
	if i.ArtifactType == "" && m.Config != nil {
		i.ArtifactType = m.Config.MediaType
	}
	if m.Subject != nil {
		i.Subject = m.Subject.Digest
	}
	if err := r.checkLayers(tx, i.Layers); err != nil {
		return i, false, err
	}
	for _, child := range i.Children {
		c, err := r.image(tx, child)
		if errors.Is(err, store.ErrNotFound) {
			return i, false, wire.Errorf("ReferencedImagesNotFoundException", "Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", child, r.Name, r.Account)
		}
		if err != nil {
			return i, false, err
		}
		i.Size = max(i.Size, c.Size)
	}
	return i, false, nil
}

func (r repository) checkLayers(tx *store.Tx, digests []string) error {
	var missing []string
	for _, digest := range digests {
		_, err := r.layer(tx, digest)
		if errors.Is(err, store.ErrNotFound) {
			missing = append(missing, digest)
		} else if err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return wire.Errorf("LayersNotFoundException", "Layers with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", strings.Join(missing, ", "), r.Name, r.Account)
}

// tag gives an image a tag, taking it from the one that has it.
func (r repository) tag(tx *store.Tx, i *image, tag string, known bool) error {
	if known && (tag == "" || slices.Contains(i.Tags, tag)) {
		return wire.Errorf("ImageAlreadyExistsException", "Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", i.Digest, cmp.Or(tag, "null"), r.Name, r.Account)
	}
	if tag == "" {
		return nil
	}
	other, err := r.tagged(tx, tag)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil {
		if r.fixed(tag) {
			return wire.Errorf("ImageTagAlreadyExistsException", "The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, r.Name)
		}
		other.Tags = without(other.Tags, tag)
		if err := images.Put(tx, other.key(), other); err != nil {
			return err
		}
	}
	i.Tags = append(i.Tags, tag)
	return nil
}

func without(tags []string, tag string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == tag })
}

func (r repository) shape(i image, tag string) *api.Image {
	return &api.Image{ImageId: i.id(tag), ImageManifest: &i.Manifest, ImageManifestMediaType: &i.MediaType, RegistryId: &r.Account, RepositoryName: &r.Name}
}

// quoted is how ECR writes an identifier's part in its messages.
func quoted(p *string) string { return "'" + cmp.Or(wire.Value(p), "null") + "'" }

// DescribeImages describes images: all of a repository where none are named.
func (s *Service) DescribeImages(ctx context.Context, in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	out := &api.DescribeImagesOutput{ImageDetails: []api.ImageDetail{}}
	err := s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		found, err := r.named(tx, in.ImageIds)
		if err != nil {
			return err
		}
		if in.Filter != nil {
			found = filter(found, wire.Value(in.Filter.TagStatus))
		}
		found, out.NextToken, err = page.Cut(found, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
		for _, i := range found {
			out.ImageDetails = append(out.ImageDetails, r.detail(i))
		}
		return err
	})
	return out, err
}

func (r repository) named(tx *store.Tx, ids []api.ImageIdentifier) (found []image, err error) {
	if len(ids) == 0 {
		return r.images(tx)
	}
	for _, id := range ids {
		i, err := r.pick(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, wire.Errorf("ImageNotFoundException", "The image with imageId {imageDigest:%s, imageTag:%s} does not exist within the repository with name '%s' in the registry with id '%s'", quoted(id.ImageDigest), quoted(id.ImageTag), r.Name, r.Account)
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(f image) bool { return f.Digest == i.Digest }) {
			found = append(found, i)
		}
	}
	return found, nil
}

// filter keeps images by tag status: TAGGED, UNTAGGED, or ANY and none for all.
func filter(all []image, status string) []image {
	return slices.DeleteFunc(all, func(i image) bool {
		return status == "TAGGED" && len(i.Tags) == 0 || status == "UNTAGGED" && len(i.Tags) > 0
	})
}

func (r repository) detail(i image) api.ImageDetail {
	d := api.ImageDetail{ArtifactMediaType: wire.Maybe(i.ArtifactType), ImageDigest: &i.Digest, ImageManifestMediaType: &i.MediaType, ImagePushedAt: &i.Pushed,
		ImageSizeInBytes: new(int(i.Size)), ImageTags: i.Tags, RegistryId: &r.Account, RepositoryName: &r.Name, SubjectManifestDigest: wire.Maybe(i.Subject),
		ImageStatus: new("ACTIVE")}
	if !i.Pulled.IsZero() {
		d.LastRecordedPullTime = &i.Pulled
	}
	if r.ScanOnPush {
		d.ImageScanStatus = &api.ImageScanStatus{Status: new("FINDINGS_UNAVAILABLE"), Description: new("The twin does not scan images for vulnerabilities.")}
	}
	return d
}

// ListImages lists identifiers: one for each tag, and one for each image without any.
func (s *Service) ListImages(ctx context.Context, in *api.ListImagesInput) (*api.ListImagesOutput, error) {
	out := &api.ListImagesOutput{}
	err := s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		all, err := r.images(tx)
		if err != nil {
			return err
		}
		if in.Filter != nil {
			all = filter(all, wire.Value(in.Filter.TagStatus))
		}
		ids := []api.ImageIdentifier{}
		for _, i := range all {
			for _, tag := range i.Tags {
				ids = append(ids, *i.id(tag))
			}
			if len(i.Tags) == 0 {
				ids = append(ids, *i.id(""))
			}
		}
		out.ImageIds, out.NextToken, err = page.Cut(ids, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
		return err
	})
	return out, err
}

func missingImage(id api.ImageIdentifier) api.ImageFailure {
	return api.ImageFailure{ImageId: &id, FailureCode: new("ImageNotFound"), FailureReason: new("Requested image not found")}
}

// BatchGetImage returns manifests and names those it did not find.
func (s *Service) BatchGetImage(ctx context.Context, in *api.BatchGetImageInput) (*api.BatchGetImageOutput, error) {
	out := &api.BatchGetImageOutput{Images: []api.Image{}, Failures: []api.ImageFailure{}}
	err := s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		for _, id := range in.ImageIds {
			i, err := r.pick(tx, id)
			switch {
			case errors.Is(err, store.ErrNotFound):
				out.Failures = append(out.Failures, missingImage(id))
			case err != nil:
				return err
			default:
				out.Images = append(out.Images, *r.shape(i, wire.Value(id.ImageTag)))
			}
		}
		return nil
	})
	return out, err
}

// BatchDeleteImage removes tags, or whole images where a digest is given. An image goes with its last tag.
func (s *Service) BatchDeleteImage(ctx context.Context, in *api.BatchDeleteImageInput) (*api.BatchDeleteImageOutput, error) {
	out := &api.BatchDeleteImageOutput{ImageIds: []api.ImageIdentifier{}, Failures: []api.ImageFailure{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, in.RegistryId, in.RepositoryName)
		if err != nil {
			return err
		}
		var deleted []image
		for _, id := range in.ImageIds {
			removed, failure, err := r.remove(tx, id)
			if err != nil {
				return err
			}
			if failure != nil {
				out.Failures = append(out.Failures, *failure)
				continue
			}
			deleted = append(deleted, removed.images...)
			out.ImageIds = append(out.ImageIds, removed.ids...)
		}
		return s.release(tx, r, deleted)
	})
	return out, err
}

// removal is what a deletion removed: identifiers, and the images of which nothing is left.
type removal struct {
	ids    []api.ImageIdentifier
	images []image
}

func (r repository) remove(tx *store.Tx, id api.ImageIdentifier) (done removal, failure *api.ImageFailure, err error) {
	i, err := r.pick(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return done, new(missingImage(id)), nil
	}
	if err != nil {
		return done, nil, err
	}
	if tag := wire.Value(id.ImageTag); id.ImageDigest == nil && len(i.Tags) > 1 {
		i.Tags = without(i.Tags, tag)
		return removal{ids: []api.ImageIdentifier{*i.id(tag)}}, nil, images.Put(tx, i.key(), i)
	}
	if holder, err := r.holder(tx, i.Digest); err != nil || holder != "" {
		return done, &api.ImageFailure{ImageId: &id, FailureCode: new("ImageReferencedByManifestList"),
			FailureReason: new("Requested image referenced by manifest list: [" + holder + "]")}, err
	}
	for _, tag := range i.Tags {
		done.ids = append(done.ids, *i.id(tag))
	}
	if len(i.Tags) == 0 {
		done.ids = append(done.ids, *i.id(""))
	}
	done.images = []image{i}
	return done, nil, images.Delete(tx, i.key())
}

// holder is the digest of a list that an image is in, "" where there is none.
func (r repository) holder(tx *store.Tx, digest string) (string, error) {
	all, err := r.images(tx)
	if err != nil {
		return "", err
	}
	if n := slices.IndexFunc(all, func(i image) bool { return slices.Contains(i.Children, digest) }); n >= 0 {
		return all[n].Digest, nil
	}
	return "", nil
}
