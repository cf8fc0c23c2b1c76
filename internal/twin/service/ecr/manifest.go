package ecr

import (
	"cmp"
	"encoding/json"
	"strings"

	"slipway.dev/internal/twin/wire"
)

// manifest is what the registry reads of a manifest: Docker's schema 2 and OCI's, for one image or a list of them.
// https://github.com/opencontainers/image-spec/blob/main/manifest.md
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        *descriptor  `json:"config"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
	Subject       *descriptor  `json:"subject"`
}

type descriptor struct {
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	URLs      []string `json:"urls"`
}

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	dockerV2    = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList  = "application/vnd.docker.distribution.manifest.list.v2+json"
)

var errManifest = wire.Errorf("InvalidParameterException", "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'")

// parseManifest reads a manifest and settles its media type: the one given with it, else the one that it names itself.
func parseManifest(text, mediaType string) (m manifest, err error) {
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, errManifest
	}
	mediaType, _, _ = strings.Cut(mediaType, ";")
	m.MediaType = cmp.Or(mediaType, m.MediaType)
	if m.MediaType == "" {
		m.MediaType = ociManifest
		if m.Manifests != nil {
			m.MediaType = ociIndex
		}
	}
	switch m.MediaType {
	case ociManifest, dockerV2:
		if m.SchemaVersion == 2 && m.Config != nil {
			return m, nil
		}
	case ociIndex, dockerList:
		if m.SchemaVersion == 2 {
			return m, nil
		}
	default:
		return m, wire.Errorf("UnsupportedImageTypeException", "The image manifest media type '%s' is not supported", m.MediaType)
	}
	return m, wire.Errorf("InvalidParameterException", "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Manifest does not follow its media type %s'", m.MediaType)
}

func (m manifest) list() bool { return m.MediaType == ociIndex || m.MediaType == dockerList }

// blobs are the digests that the repository must hold; foreign layers are fetched from elsewhere.
func (m manifest) blobs() (digests []string) {
	if m.Config != nil {
		digests = append(digests, m.Config.Digest)
	}
	for _, l := range m.Layers {
		if len(l.URLs) == 0 {
			digests = append(digests, l.Digest)
		}
	}
	return digests
}

// size is that of the compressed layers.
func (m manifest) size() (total int64) {
	for _, l := range m.Layers {
		total += l.Size
	}
	return total
}

func (m manifest) children() (digests []string) {
	for _, d := range m.Manifests {
		digests = append(digests, d.Digest)
	}
	return digests
}
