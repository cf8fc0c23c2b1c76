package ssm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/ssm"
)

// imagePaths are the public parameters that name machine images. The twin has no images: it returns an id that is well formed
// and always the same for one parameter.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html
var imagePaths = []string{"/aws/service/ecs/optimized-ami/", "/aws/service/ami-amazon-linux-latest/"}

var published = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func public(ctx context.Context, name string) (*api.Parameter, bool) {
	for _, path := range imagePaths {
		if !strings.HasPrefix(name, path) {
			continue
		}
		sum := sha256.Sum256([]byte(strings.TrimSuffix(name, "/image_id")))
		value := fmt.Sprintf("ami-%x", sum[:8])
		value += fmt.Sprintf("%x", sum[8])[:1]
		if strings.HasSuffix(name, "/recommended") {
			value = fmt.Sprintf(`{"image_id":%q,"os":"Amazon Linux 2023","schema_version":1}`, value)
		}
		arn := "arn:aws:ssm:us-east-1::parameter" + name
		return &api.Parameter{Name: &name, Type: new("String"), Value: &value, Version: new(1), ARN: &arn, LastModifiedDate: &published, DataType: new("text")}, true
	}
	return nil, false
}
