package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Remove deletes a stack by name and waits until it is gone. A stack that does not exist is no error.
func (p *Project) Remove(ctx context.Context, name string) error {
	s, err := p.settle(ctx, name)
	if err != nil || s == nil {
		return err
	}
	return p.remove(ctx, s)
}

func (p *Project) remove(ctx context.Context, s *Stack) error {
	if s.Protected {
		if !p.AllowDataLoss {
			return fmt.Errorf("stack %s is protected against deletion; --allow-data-loss lifts that", s.Name)
		}
		if err := p.protect(ctx, s.Name, false); err != nil {
			return err
		}
	}
	total, err := p.countResources(ctx, s.ID)
	if err != nil {
		return err
	}
	f := p.follow(s.ID, s.Name, Delete, total)
	if err := f.skipPast(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	token := newToken()
	_, err = p.Target.Clients.CloudFormation.DeleteStack(context.WithoutCancel(ctx), &cloudformation.DeleteStackInput{StackName: &s.ID, ClientRequestToken: &token})
	if err != nil {
		return fmt.Errorf("delete stack %s: %w", s.Name, err)
	}
	return f.run(ctx)
}

func (p *Project) countResources(ctx context.Context, id string) (count int, err error) {
	resources, err := p.resources(ctx, id)
	for _, r := range resources {
		if r.ResourceStatus != types.ResourceStatusDeleteComplete {
			count++
		}
	}
	return count, err
}

// resources lists what a stack consists of.
func (p *Project) resources(ctx context.Context, stack string) (all []types.StackResourceSummary, err error) {
	pages := cloudformation.NewListStackResourcesPaginator(p.Target.Clients.CloudFormation, &cloudformation.ListStackResourcesInput{StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list resources of stack %s: %w", stack, err)
		}
		all = append(all, page.StackResourceSummaries...)
	}
	return all, nil
}

// removeInOrder deletes stacks, each before those it depends on; what does not depend on each other goes side by side. The stacks
// of a group are all tried, and a later group only when the one before it is gone.
func (p *Project) removeInOrder(ctx context.Context, groups [][]string) error {
	for _, group := range groups {
		if err := sideBySide(group, func(name string) error { return p.Remove(ctx, name) }); err != nil {
			return err
		}
	}
	return nil
}

// sideBySide does something for every item at once and waits for all.
func sideBySide[T any](items []T, do func(T) error) error {
	results := make(chan error)
	for _, item := range items {
		go func() { results <- do(item) }()
	}
	var all []error
	for range items {
		all = append(all, <-results)
	}
	return errors.Join(all...)
}
