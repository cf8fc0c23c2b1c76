package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"slipway.dev/internal/blueprint"
)

// maxTemplateBody is the longest template, in bytes, that goes along with a request; a longer one has to be in S3.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const maxTemplateBody = 51_200

// template gives the template as the request's body, or the address it was put at in the namespace's bucket when it is too long.
func (p *Project) template(ctx context.Context, s blueprint.Stack) (body, url *string, err error) {
	if len(s.Template) <= maxTemplateBody {
		text := string(s.Template)
		return &text, nil, nil
	}
	bucket, err := p.templateBucket(ctx)
	if err != nil {
		return nil, nil, err
	}
	key := fmt.Sprintf("%s/%x.yml", s.Name, sha256.Sum256(s.Template))
	_, err = p.Target.Clients.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(s.Template)})
	if err != nil {
		return nil, nil, fmt.Errorf("put template of stack %s into bucket %s: %w", s.Name, bucket, err)
	}
	address := p.Target.objectURL(bucket, key)
	return nil, &address, nil
}

// templateBucket brings the bucket up and names it.
func (p *Project) templateBucket(ctx context.Context) (string, error) {
	stack, err := blueprint.Bucket(p.Manifest, "templates", p.facts())
	if err != nil {
		return "", err
	}
	up, err := p.Upsert(ctx, stack)
	if err != nil {
		return "", err
	}
	name := up.Outputs["Bucket"]
	if name == "" {
		return "", fmt.Errorf("stack %s has no output Bucket", stack.Name)
	}
	return name, nil
}

// objectURL is where CloudFormation reads an object.
func (t *Target) objectURL(bucket, key string) string {
	if t.EndpointURL != "" {
		return t.EndpointURL + "/" + bucket + "/" + key
	}
	return fmt.Sprintf("https://s3.%s.%s/%s/%s", t.Region, dnsSuffix(t.Region), bucket, key)
}
