package delivery

import (
	"context"
	"slices"

	"slipway.dev/internal/blueprint"
)

// Down deletes what the file brought up in an environment (the first where env is empty): the service, and the environment unless
// services of other files run in it. With all it deletes the whole namespace's stacks: every environment, images and roles.
func (p *Project) Down(ctx context.Context, env string, all bool) error {
	stacks, err := p.stacksOf(ctx, func(*Stack) bool { return true })
	if err != nil {
		return err
	}
	if all {
		if p.DisableIAM {
			stacks = slices.DeleteFunc(stacks, func(s *Stack) bool { return s.Tag("type") == "iam" })
		}
		return p.downAll(ctx, stacks)
	}
	e, err := p.environment(env)
	if err != nil {
		return err
	}
	return p.downOne(ctx, e.Name, stacks)
}

func (p *Project) downAll(ctx context.Context, stacks []*Stack) error {
	if len(stacks) == 0 {
		p.step("Nothing of the namespace " + p.Manifest.Namespace + " is there")
		return nil
	}
	allowed := p.AllowDataLoss
	p.AllowDataLoss = true // the question names the protected stacks
	defer func() { p.AllowDataLoss = allowed }()
	return p.takeDown(ctx, "everything of the namespace "+p.Manifest.Namespace, stacks)
}

func (p *Project) downOne(ctx context.Context, env string, stacks []*Stack) error {
	var doomed, foreign, left []*Stack
	for _, s := range stacks {
		switch mine := p.Manifest.Service != nil && s.Tag("service") == p.Manifest.Service.Name; {
		case s.Tag("environment") != env:
			if s.Tag("environment") == "" && (mine || s.Tag("service") == "") {
				left = append(left, s)
			}
		case s.Tag("service") != "" && !mine:
			foreign = append(foreign, s)
		case p.DisableIAM && s.Tag("type") == "iam":
		default:
			doomed = append(doomed, s)
		}
	}
	if len(foreign) > 0 {
		doomed = slices.DeleteFunc(doomed, func(s *Stack) bool { return s.Tag("service") == "" })
	}
	if len(doomed) == 0 {
		p.step("Nothing of this file is in the environment " + env)
		return nil
	}
	if err := p.takeDown(ctx, "the environment "+env+" of "+p.Manifest.Path, doomed); err != nil {
		return err
	}
	p.sayWhatStays(env, foreign, left)
	return nil
}

func (p *Project) sayWhatStays(env string, foreign, left []*Stack) {
	for _, s := range foreign {
		if kindOf(s) == blueprint.KindService {
			p.step("The environment " + env + " stays: the service " + s.Tag("service") + " runs in it. slipway env terminate " + env + " deletes both")
		}
	}
	for _, s := range left {
		p.step("Stays: " + s.Name + ", which environments share; slipway down --all deletes it")
	}
}
