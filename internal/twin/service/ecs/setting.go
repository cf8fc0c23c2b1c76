package ecs

import (
	"cmp"
	"context"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// setting is an account setting of one principal; the account's default is that of its root user.
type setting struct{ Name, Value, Principal string }

var settings = &store.Table[setting]{Name: "ecs_settings"}

// usualSettings are the values AWS gives new accounts; the three ARN formats can no longer be switched off.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html
var usualSettings = map[string]string{
	"serviceLongArnFormat": "enabled", "taskLongArnFormat": "enabled", "containerInstanceLongArnFormat": "enabled",
	"awsvpcTrunking": "disabled", "containerInsights": "disabled", "fargateFIPSMode": "disabled", "tagResourceAuthorization": "on",
	"fargateTaskRetirementWaitPeriod": "7", "guardDutyActivate": "off", "defaultLogDriverMode": "non-blocking",
}

// PutAccountSetting sets a setting for a user or role, else for the caller.
func (s *Service) PutAccountSetting(ctx context.Context, in *api.PutAccountSettingInput) (*api.PutAccountSettingOutput, error) {
	out, err := s.putSetting(ctx, in.Name, in.Value, cmp.Or(wire.Value(in.PrincipalArn), operation.CallerOf(ctx).ARN))
	return &api.PutAccountSettingOutput{Setting: out}, err
}

// PutAccountSettingDefault sets a setting for everyone who has not set it.
func (s *Service) PutAccountSettingDefault(ctx context.Context, in *api.PutAccountSettingDefaultInput) (*api.PutAccountSettingDefaultOutput, error) {
	out, err := s.putSetting(ctx, in.Name, in.Value, rootOf(ctx))
	return &api.PutAccountSettingDefaultOutput{Setting: out}, err
}

func rootOf(ctx context.Context) string {
	return "arn:aws:iam::" + operation.CallerOf(ctx).Account + ":root"
}

func (s *Service) putSetting(ctx context.Context, name, value, who string) (*api.Setting, error) {
	if _, known := usualSettings[name]; !known {
		return nil, wire.Errorf("InvalidParameterException", "The setting %s is not valid.", name)
	}
	v := setting{Name: name, Value: value, Principal: who}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return settings.Put(tx, s.key(ctx, name+" "+who), v)
	})
	return v.describe(), err
}

func (v setting) describe() *api.Setting {
	return &api.Setting{Name: &v.Name, Value: &v.Value, PrincipalArn: &v.Principal, Type: new("user")}
}

// ListAccountSettings lists what was set, and with effectiveSettings what holds for the principal.
func (s *Service) ListAccountSettings(ctx context.Context, in *api.ListAccountSettingsInput) (*api.ListAccountSettingsOutput, error) {
	who := cmp.Or(wire.Value(in.PrincipalArn), operation.CallerOf(ctx).ARN)
	var set []setting
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		k := s.key(ctx, "")
		set, err = settings.List(tx, k.Account, k.Region)
		return err
	})
	if err != nil {
		return nil, err
	}
	found := set
	if in.EffectiveSettings != nil && *in.EffectiveSettings {
		found = effective(set, who, rootOf(ctx))
	}
	list := []api.Setting{}
	for _, v := range found {
		if v.Principal == who && matchesText(in.Name, v.Name) && matchesText(in.Value, v.Value) {
			list = append(list, *v.describe())
		}
	}
	list, next, err := page.Cut(list, in.NextToken, in.MaxResults, 10, "InvalidParameterException")
	return &api.ListAccountSettingsOutput{Settings: list, NextToken: next}, err
}

func effective(set []setting, who, root string) (list []setting) {
	for _, name := range slices.Sorted(maps.Keys(usualSettings)) {
		v := setting{Name: name, Value: usualSettings[name], Principal: who}
		for _, principal := range []string{root, who} {
			if i := slices.Index(set, setting{Name: name, Principal: principal, Value: valueOf(set, name, principal)}); i >= 0 {
				v.Value = set[i].Value
			}
		}
		list = append(list, v)
	}
	return list
}

func valueOf(set []setting, name, principal string) string {
	for _, v := range set {
		if v.Name == name && v.Principal == principal {
			return v.Value
		}
	}
	return ""
}

// matchesText reports whether a filter that may be absent lets the text pass.
func matchesText(filter *string, text string) bool {
	return wire.Value(filter) == "" || *filter == text
}
