package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// architecture reads which processor an image of the repository was built for, from its configuration. It is empty for an image
// that is built for several.
func (p *Project) architecture(ctx context.Context, repository, tag string) (string, error) {
	out, err := p.Target.Clients.ECR.BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RepositoryName: &repository, ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: &tag}},
	})
	if err != nil || len(out.Images) == 0 {
		return "", fmt.Errorf("read manifest of image %s:%s: %w", repository, tag, err)
	}
	var manifest struct {
		Config struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Images[0].ImageManifest)), &manifest); err != nil {
		return "", fmt.Errorf("manifest of image %s:%s: %w", repository, tag, err)
	}
	if manifest.Config.Digest == "" {
		return "", nil
	}
	var config struct{ Architecture string }
	if err := p.readLayer(ctx, repository, manifest.Config.Digest, &config); err != nil {
		return "", fmt.Errorf("configuration of image %s:%s: %w", repository, tag, err)
	}
	return architectureOf(config.Architecture), nil
}

// readLayer decodes a blob of JSON.
func (p *Project) readLayer(ctx context.Context, repository, digest string, into any) error {
	layer, err := p.Target.Clients.ECR.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: &repository, LayerDigest: &digest})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, aws.ToString(layer.DownloadUrl), nil)
	if err != nil {
		return err
	}
	answer, err := p.Target.Clients.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the registry answered %s", answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
