package elbv2_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
)

func TestTheSDKSeesAWS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, secret := w.RootKey()
	client := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: new("http://" + w.Address()), Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")})
	ctx := t.Context()
	made, err := client.CreateLoadBalancer(ctx, &sdk.CreateLoadBalancerInput{Name: new("wire"), Subnets: w.subnets[:2], Tags: []types.Tag{{Key: new("k"), Value: new("v")}}})
	if err != nil {
		t.Fatal(err)
	}
	group, err := client.CreateTargetGroup(ctx, &sdk.CreateTargetGroupInput{Name: new("wire"), Protocol: types.ProtocolEnumHttp, Port: new(int32(80)), VpcId: &w.vpc,
		TargetType: types.TargetTypeEnumIp, Matcher: &types.Matcher{HttpCode: new("200-299")}})
	if err != nil {
		t.Fatal(err)
	}
	arn := group.TargetGroups[0].TargetGroupArn
	target := program(t, "over the wire")
	registered := []types.TargetDescription{{Id: &target.Id, Port: new(int32(*target.Port))}}
	if _, err := client.RegisterTargets(ctx, &sdk.RegisterTargetsInput{TargetGroupArn: arn, Targets: registered}); err != nil {
		t.Fatal(err)
	}
	listener, err := client.CreateListener(ctx, &sdk.CreateListenerInput{LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: types.ProtocolEnumHttp, Port: new(int32(80)),
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: arn}}})
	if err != nil {
		t.Fatal(err)
	}
	if a := listener.Listeners[0].DefaultActions[0]; aws.ToInt32(a.ForwardConfig.TargetGroups[0].Weight) != 1 || *a.TargetGroupArn != *arn {
		t.Errorf("default action: %+v", a)
	}
	w.untilHealth(*arn, target, "healthy")
	if _, body := w.get(w.Address(), *made.LoadBalancers[0].DNSName, "/"); body != "over the wire" {
		t.Errorf("answered %s", body)
	}
	health, err := client.DescribeTargetHealth(ctx, &sdk.DescribeTargetHealthInput{TargetGroupArn: arn})
	if err != nil || health.TargetHealthDescriptions[0].TargetHealth.State != types.TargetHealthStateEnumHealthy {
		t.Errorf("%v, %v", health, err)
	}
	_, err = client.DescribeLoadBalancers(ctx, &sdk.DescribeLoadBalancersInput{Names: []string{"nobody"}})
	var missing *types.LoadBalancerNotFoundException
	if !errors.As(err, &missing) || missing.ErrorMessage() != "Load balancers '[nobody]' not found" {
		t.Errorf("unknown name: %v", err)
	}
	_, err = client.CreateListener(ctx, &sdk.CreateListenerInput{LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: types.ProtocolEnumHttp, Port: new(int32(80)),
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: arn}}})
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != "DuplicateListener" {
		t.Errorf("port taken: %v", err)
	}
}
