package kms

import (
	"context"
	"encoding/json"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{
		{Name: "AWS::KMS::Key", Fidelity: operation.Runs, Inert: []string{"BypassPolicyLockoutSafetyCheck"},
			Create: s.createKeyResource, Update: s.updateKeyResource, Delete: s.deleteKeyResource, Attributes: s.keyAttributes},
		{Name: "AWS::KMS::Alias", Fidelity: operation.Runs, Create: s.createAliasResource, Update: s.updateAliasResource, Delete: s.deleteAliasResource},
	}
}

const gone = "NotFoundException"

// beyond are the properties that CreateKey has no member for.
var beyond = []string{"Enabled", "EnableKeyRotation", "RotationPeriodInDays", "PendingWindowInDays", "KeyPolicy", "Tags"}

func (s *Service) createKeyResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateKeyInput{}
	if err := r.Into(in, beyond...); err != nil {
		return "", err
	}
	in.Tags = tagList(r.AllTags())
	doc, err := document(r.Properties["KeyPolicy"])
	if err != nil {
		return "", err
	}
	in.Policy = wire.Maybe(doc)
	out, err := s.CreateKey(ctx, in)
	if err != nil {
		return "", err
	}
	r.PhysicalID = out.KeyMetadata.KeyId
	return r.PhysicalID, s.settle(ctx, r)
}

// document is a policy property, written as an object or as text; "" where it is unset.
func document(property any) (string, error) {
	switch p := property.(type) {
	case nil:
		return "", nil
	case string:
		return p, nil
	}
	b, err := json.Marshal(property)
	return string(b), err
}

// settle gives the key its rotation, then its state: a disabled key cannot be told to rotate.
func (s *Service) settle(ctx context.Context, r resource.Request) error {
	if _, err := s.EnableKey(ctx, &api.EnableKeyInput{KeyId: r.PhysicalID}); err != nil {
		return err
	}
	var err error
	if rotate, _ := r.Properties["EnableKeyRotation"].(bool); rotate {
		in := struct{ RotationPeriodInDays *int }{}
		if err := resource.Into(map[string]any{"RotationPeriodInDays": r.Properties["RotationPeriodInDays"]}, &in); err != nil {
			return err
		}
		_, err = s.EnableKeyRotation(ctx, &api.EnableKeyRotationInput{KeyId: r.PhysicalID, RotationPeriodInDays: in.RotationPeriodInDays})
	} else {
		_, err = s.DisableKeyRotation(ctx, &api.DisableKeyRotationInput{KeyId: r.PhysicalID})
	}
	if on, set := r.Properties["Enabled"].(bool); err == nil && set && !on {
		_, err = s.DisableKey(ctx, &api.DisableKeyInput{KeyId: r.PhysicalID})
	}
	return err
}

func (s *Service) updateKeyResource(ctx context.Context, r resource.Request) error {
	doc, err := document(r.Properties["KeyPolicy"])
	if err != nil {
		return err
	}
	err = s.change(ctx, r.PhysicalID, func(k *masterKey) error {
		k.Description = r.Text("Description")
		if doc != "" {
			k.Policy = doc
		}
		for name := range resource.TagsOf(r.Previous["Tags"]) {
			delete(k.Tags, name)
		}
		if err := k.tag(tagList(r.AllTags())); err != nil {
			return err
		}
		return checkPolicy(k.Policy)
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, r)
}

// deleteKeyResource schedules the deletion, as CloudFormation does: thirty days where nothing is said.
func (s *Service) deleteKeyResource(ctx context.Context, r resource.Request) error {
	in := &api.ScheduleKeyDeletionInput{}
	err := resource.Into(map[string]any{"PendingWindowInDays": r.Properties["PendingWindowInDays"]}, in)
	if err != nil {
		return err
	}
	in.KeyId = r.PhysicalID
	_, err = s.ScheduleKeyDeletion(ctx, in)
	return resource.Absent(err, gone, "KMSInvalidStateException")
}

func (s *Service) keyAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	k, err := s.view(ctx, r.PhysicalID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Arn": k.arn(), "KeyId": k.ID}, nil
}

func (s *Service) createAliasResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateAliasInput{}
	if err := r.Into(in); err != nil {
		return "", err
	}
	_, err := s.CreateAlias(ctx, in)
	return in.AliasName, err
}

func (s *Service) updateAliasResource(ctx context.Context, r resource.Request) error {
	_, err := s.UpdateAlias(ctx, &api.UpdateAliasInput{AliasName: r.PhysicalID, TargetKeyId: r.Text("TargetKeyId")})
	return err
}

func (s *Service) deleteAliasResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteAlias(ctx, &api.DeleteAliasInput{AliasName: r.PhysicalID})
	return resource.Absent(err, gone)
}
