package s3_test

import (
	"strings"
	"testing"
	"time"

	"slipway.dev/internal/twin/api/cloudformation"
	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/wire"
)

const stackTemplate = `
Parameters:
  Days: {Type: Number, Default: 90}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
      BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]}
      VersioningConfiguration: {Status: Enabled}
      LifecycleConfiguration:
        Rules:
          - {Id: old, Status: Enabled, NoncurrentVersionExpiration: {NoncurrentDays: !Ref Days}, AbortIncompleteMultipartUpload: {DaysAfterInitiation: 7}}
      Tags: [{Key: team, Value: blue}]
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Deny, Principal: "*", Action: "s3:*", Resource: !GetAtt Bucket.Arn}]}
Outputs:
  Name: {Value: !Ref Bucket}
  Domain: {Value: !GetAtt Bucket.RegionalDomainName}
`

// settled waits until the stack has come to rest and returns it.
func (r *rig) settled(c cloudformation.Client, id string) cloudformation.Stack {
	r.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		out, err := c.DescribeStacks(r.ctx, &cloudformation.DescribeStacksInput{StackName: &id})
		if err != nil {
			r.Fatal(err)
		}
		if s := out.Stacks[0]; !strings.HasSuffix(s.StackStatus, "IN_PROGRESS") {
			return s
		}
	}
	r.Fatal("the stack does not come to rest")
	return cloudformation.Stack{}
}

func TestABucketOfAStack(t *testing.T) {
	t.Parallel()
	r := start(t)
	c := cloudformation.Client{Invoker: r.Twin.Invoker}
	made, err := c.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: "Store", TemplateBody: new(stackTemplate)})
	if err != nil {
		t.Fatal(err)
	}
	s := r.settled(c, *made.StackId)
	if s.StackStatus != "CREATE_COMPLETE" {
		t.Fatalf("%s: %s", s.StackStatus, wire.Value(s.StackStatusReason))
	}
	outputs := map[string]string{}
	for _, o := range s.Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
	}
	name := outputs["Name"]
	if !strings.HasPrefix(name, "store-bucket-") || outputs["Domain"] != name+".s3.us-east-1.amazonaws.com" {
		t.Errorf("%v", outputs)
	}
	policy, err := r.GetBucketPolicy(r.ctx, &api.GetBucketPolicyInput{Bucket: name})
	if err != nil || !strings.Contains(*policy.Policy, "arn:aws:s3:::"+name) {
		t.Errorf("policy: %v, %v", policy, err)
	}
	_, err = c.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: "Store", UsePreviousTemplate: new(true),
		Parameters: []cloudformation.Parameter{{ParameterKey: new("Days"), ParameterValue: new("30")}}})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.settled(c, *made.StackId); s.StackStatus != "UPDATE_COMPLETE" {
		t.Fatalf("%s: %s", s.StackStatus, wire.Value(s.StackStatusReason))
	}
	rules, err := r.GetBucketLifecycleConfiguration(r.ctx, &api.GetBucketLifecycleConfigurationInput{Bucket: name})
	if err != nil || *rules.Rules[0].NoncurrentVersionExpiration.NoncurrentDays != 30 {
		t.Errorf("%+v, %v", rules, err)
	}
	tags, err := r.GetBucketTagging(r.ctx, &api.GetBucketTaggingInput{Bucket: name})
	if err != nil || len(tags.TagSet) != 4 { // its own and three of CloudFormation's
		t.Errorf("%+v, %v", tags, err)
	}
	r.removal(c, *made.StackId, name)
}

// removal deletes the stack while the bucket holds an object, and again when it is empty.
func (r *rig) removal(c cloudformation.Client, id, name string) {
	r.Helper()
	put, err := r.PutObject(r.ctx, &api.PutObjectInput{Bucket: name, Key: "k", Body: body("x")})
	if err != nil {
		r.Fatal(err)
	}
	for _, want := range []string{"DELETE_FAILED", "DELETE_COMPLETE"} {
		if _, err := c.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: id}); err != nil {
			r.Fatal(err)
		}
		if s := r.settled(c, id); s.StackStatus != want {
			r.Errorf("%s, want %s", s.StackStatus, want)
		}
		if _, err := r.DeleteObject(r.ctx, &api.DeleteObjectInput{Bucket: name, Key: "k", VersionId: put.VersionId}); err != nil && !wire.HasCode(err, "NoSuchBucket") {
			r.Fatal(err)
		}
	}
}
