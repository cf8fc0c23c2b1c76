package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// groups is a template of n security groups in a VPC.
func groups(n int) *string {
	var b strings.Builder
	b.WriteString("Resources:\n  V: {Type: 'AWS::EC2::VPC', Properties: {CidrBlock: 10.0.0.0/16}}\n")
	for i := range n - 1 {
		fmt.Fprintf(&b, "  G%d: {Type: 'AWS::EC2::SecurityGroup', Properties: {GroupDescription: g, VpcId: !Ref V}}\n", i)
	}
	text := b.String()
	return &text
}

// lifetime creates a stack of n resources and deletes it again.
func lifetime(ctx context.Context, client *cloudformation.Client, n int) (created, deleted time.Duration, err error) {
	name := fmt.Sprintf("bench-%d-%d", n, time.Now().UnixNano())
	began := time.Now()
	out, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: groups(n)})
	if err != nil {
		return 0, 0, err
	}
	if err := rests(ctx, client, *out.StackId, types.StackStatusCreateComplete); err != nil {
		return 0, 0, err
	}
	created = time.Since(began)
	began = time.Now()
	if _, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: out.StackId}); err != nil {
		return 0, 0, err
	}
	err = rests(ctx, client, *out.StackId, types.StackStatusDeleteComplete)
	return created, time.Since(began), err
}

func rests(ctx context.Context, client *cloudformation.Client, id string, want types.StackStatus) error {
	for {
		out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &id})
		if err != nil {
			return err
		}
		status := out.Stacks[0].StackStatus
		if status == want {
			return nil
		}
		if !strings.HasSuffix(string(status), "_IN_PROGRESS") {
			return fmt.Errorf("stack %s is %s: %v", id, status, out.Stacks[0].StackStatusReason)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func measureStacks(ctx context.Context, w *world) ([]row, error) {
	client, err := w.cloudformation(ctx)
	if err != nil {
		return nil, err
	}
	times := map[int][2]time.Duration{}
	for _, n := range []int{200, 500} {
		var created, deleted []time.Duration
		for range 5 {
			c, d, err := lifetime(ctx, client, n)
			if err != nil {
				return nil, err
			}
			created, deleted = append(created, c), append(deleted, d)
		}
		times[n] = [2]time.Duration{median(created), median(deleted)}
	}
	ratio := float64(times[500][0]) / float64(times[200][0])
	return []row{
		under("stack of 200 recorded resources, created", times[200][0], time.Second),
		under("stack of 200 recorded resources, deleted", times[200][1], time.Second),
		{"500 resources created, against 200", "≤ 2.7×", fmt.Sprintf("%.2f× (%s)", ratio, times[500][0].Round(time.Millisecond)), ratio <= 2.7},
	}, nil
}

func measureDescribe(ctx context.Context, w *world) ([]row, error) {
	client, err := w.cloudformation(ctx)
	if err != nil {
		return nil, err
	}
	template := "Resources: {H: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}"
	for i := range 1000 {
		name := fmt.Sprintf("many-%d", i)
		if _, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template}); err != nil {
			return nil, err
		}
	}
	name := "many-500"
	if err := rests(ctx, client, "many-999", types.StackStatusCreateComplete); err != nil {
		return nil, err
	}
	var times []time.Duration
	for range 300 {
		began := time.Now()
		if _, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return []row{under("DescribeStacks of one stack among 1 000, p50", median(times), 2*time.Millisecond)}, nil
}
