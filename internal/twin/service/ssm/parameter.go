package ssm

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slipway.dev/internal/twin/api/kms"
	api "slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	secure      = "SecureString"
	defaultKey  = "alias/aws/ssm"
	maxVersions = 100
	maxStandard = 4096
)

// parameter is a named value with its history, oldest version first.
type parameter struct {
	Name     string
	Versions []version
	Tags     map[string]string
}

// version is one value of a parameter. A SecureString holds KMS's ciphertext in base64, never the plain text.
type version struct {
	Number         int
	Type           string
	Value          string
	KeyID          string
	Description    string
	AllowedPattern string
	DataType       string
	Modified       time.Time
	User           string
}

var parameters = &store.Table[parameter]{Name: "ssm_parameters"}

func (p parameter) latest() version { return p.Versions[len(p.Versions)-1] }

func key(ctx context.Context, name string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: name}
}

func arn(ctx context.Context, name string) *string {
	return new(operation.ARN(ctx, "ssm", "parameter/"+strings.TrimPrefix(name, "/")))
}

// PutParameter makes a parameter or a new version of it.
func (s *Service) PutParameter(ctx context.Context, in *api.PutParameterInput) (*api.PutParameterOutput, error) {
	var number int
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := parameters.Get(tx, key(ctx, in.Name))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		exists := err == nil
		if exists && (in.Overwrite == nil || !*in.Overwrite) {
			return wire.Errorf("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
		}
		v, err := s.newVersion(ctx, in, p, exists)
		if err != nil {
			return err
		}
		number = v.Number
		p.Name = in.Name
		p.Versions = append(p.Versions, v)
		p.Versions = p.Versions[max(0, len(p.Versions)-maxVersions):]
		if !exists {
			p.Tags = map[string]string{}
		}
		for _, t := range in.Tags {
			p.Tags[t.Key] = t.Value
		}
		return parameters.Put(tx, key(ctx, in.Name), p)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutParameterOutput{Version: &number, Tier: new("Standard")}, nil
}

func (s *Service) newVersion(ctx context.Context, in *api.PutParameterInput, p parameter, exists bool) (version, error) {
	v := version{Number: 1, Type: wire.Value(in.Type), Value: in.Value, Description: wire.Value(in.Description), AllowedPattern: wire.Value(in.AllowedPattern),
		DataType: cmp.Or(wire.Value(in.DataType), "text"), Modified: s.Clock.Now(), User: operation.CallerOf(ctx).ARN}
	if exists {
		last := p.latest()
		v.Number, v.Type = last.Number+1, cmp.Or(v.Type, last.Type)
		v.Description, v.AllowedPattern = cmp.Or(v.Description, last.Description), cmp.Or(v.AllowedPattern, last.AllowedPattern)
	}
	if err := check(in, v); err != nil {
		return v, err
	}
	if v.Type != secure {
		return v, nil
	}
	v.KeyID = cmp.Or(wire.Value(in.KeyId), defaultKey)
	out, err := s.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: v.KeyID, Plaintext: []byte(in.Value), EncryptionContext: encryptionContext(ctx, in.Name)})
	if err != nil {
		return v, err
	}
	v.Value = base64.StdEncoding.EncodeToString(out.CiphertextBlob)
	return v, nil
}

func check(in *api.PutParameterInput, v version) error {
	switch {
	case v.Type == "":
		return wire.Errorf("ValidationException", "A parameter type is required when you create a parameter.")
	case len(in.Value) > maxStandard && wire.Value(in.Tier) != "Advanced":
		return wire.Errorf("ValidationException", "Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.", maxStandard)
	case reserved(in.Name):
		return wire.Errorf("AccessDeniedException", "No access to reserved parameter name: %s.", in.Name)
	case !validName.MatchString(in.Name):
		return wire.Errorf("ValidationException", "Parameter name must be a fully qualified name: letters, digits and any of . - _ separated by /, found %q", in.Name)
	}
	if v.AllowedPattern == "" {
		return nil
	}
	re, err := regexp.Compile(v.AllowedPattern)
	if err != nil {
		return wire.Errorf("InvalidAllowedPatternException", "The regular expression is not valid: %v", err)
	}
	if !re.MatchString(in.Value) {
		return wire.Errorf("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", v.AllowedPattern)
	}
	return nil
}

var validName = regexp.MustCompile(`^/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$`)

func reserved(name string) bool {
	first, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(name, "/")), "/")
	return strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm")
}

// encryptionContext binds the ciphertext to the parameter, as Parameter Store does.
func encryptionContext(ctx context.Context, name string) map[string]string {
	return map[string]string{"PARAMETER_ARN": *arn(ctx, name)}
}

// GetParameter returns one value: "name", "name:version".
func (s *Service) GetParameter(ctx context.Context, in *api.GetParameterInput) (*api.GetParameterOutput, error) {
	p, err := s.find(ctx, in.Name, in.WithDecryption)
	if err != nil {
		return nil, err
	}
	return &api.GetParameterOutput{Parameter: p}, nil
}

func (s *Service) find(ctx context.Context, selector string, decrypt *bool) (*api.Parameter, error) {
	name, wanted, selected := strings.Cut(selector, ":")
	if strings.HasPrefix(selector, "arn:") {
		_, path, _ := strings.Cut(selector, ":parameter/")
		name, selected = path, false
	}
	if out, ok := public(ctx, name); ok {
		return out, nil
	}
	p, err := s.get(ctx, name)
	if err != nil {
		return nil, err
	}
	v := p.latest()
	if selected {
		n, err := strconv.Atoi(wanted)
		i := len(p.Versions) - 1 - (v.Number - n)
		if err != nil || i < 0 || i >= len(p.Versions) {
			return nil, wire.Errorf("ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.", wanted, name)
		}
		v = p.Versions[i]
	}
	out, err := s.describe(ctx, p.Name, v, decrypt)
	if err == nil && selected {
		out.Selector = new(":" + wanted)
	}
	return out, err
}

func (s *Service) get(ctx context.Context, name string) (p parameter, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err = parameters.Get(tx, key(ctx, name))
		if errors.Is(err, store.ErrNotFound) && !strings.HasPrefix(name, "/") {
			p, err = parameters.Get(tx, key(ctx, "/"+name))
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return p, &wire.Error{Code: "ParameterNotFound"}
	}
	return p, err
}

func (s *Service) describe(ctx context.Context, name string, v version, decrypt *bool) (*api.Parameter, error) {
	value := v.Value
	if v.Type == secure && decrypt != nil && *decrypt {
		blob, err := base64.StdEncoding.DecodeString(v.Value)
		if err != nil {
			return nil, err
		}
		out, err := s.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext(ctx, name)})
		if err != nil {
			return nil, err
		}
		value = string(out.Plaintext)
	}
	return &api.Parameter{Name: &name, Type: &v.Type, Value: &value, Version: &v.Number, ARN: arn(ctx, name),
		DataType: &v.DataType, LastModifiedDate: &v.Modified}, nil
}

// GetParameters returns up to ten values and names those it did not find.
func (s *Service) GetParameters(ctx context.Context, in *api.GetParametersInput) (*api.GetParametersOutput, error) {
	out := &api.GetParametersOutput{Parameters: []api.Parameter{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		p, err := s.find(ctx, name, in.WithDecryption)
		switch {
		case wire.HasCode(err, "ParameterNotFound") || wire.HasCode(err, "ParameterVersionNotFound"):
			out.InvalidParameters = append(out.InvalidParameters, name)
		case err != nil:
			return nil, err
		default:
			out.Parameters = append(out.Parameters, *p)
		}
	}
	return out, nil
}

// GetParametersByPath returns the parameters below a path.
func (s *Service) GetParametersByPath(ctx context.Context, in *api.GetParametersByPathInput) (*api.GetParametersByPathOutput, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimSuffix(in.Path, "/") + "/"
	var below []parameter
	for _, p := range all {
		rest, ok := strings.CutPrefix(p.Name, prefix)
		if ok && (in.Recursive != nil && *in.Recursive || !strings.Contains(rest, "/")) {
			below = append(below, p)
		}
	}
	below, next, err := page.Cut(below, in.NextToken, in.MaxResults, 10, "InvalidNextToken")
	if err != nil {
		return nil, err
	}
	out := &api.GetParametersByPathOutput{Parameters: []api.Parameter{}, NextToken: next}
	for _, p := range below {
		described, err := s.describe(ctx, p.Name, p.latest(), in.WithDecryption)
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, *described)
	}
	return out, nil
}

func (s *Service) list(ctx context.Context) (all []parameter, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := key(ctx, "")
		all, err = parameters.List(tx, k.Account, k.Region)
		return err
	})
	return all, err
}

// GetParameterHistory returns the kept versions, oldest first.
func (s *Service) GetParameterHistory(ctx context.Context, in *api.GetParameterHistoryInput) (*api.GetParameterHistoryOutput, error) {
	p, err := s.get(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	versions, next, err := page.Cut(p.Versions, in.NextToken, in.MaxResults, 50, "InvalidNextToken")
	if err != nil {
		return nil, err
	}
	out := &api.GetParameterHistoryOutput{NextToken: next, Parameters: []api.ParameterHistory{}}
	for _, v := range versions {
		d, err := s.describe(ctx, p.Name, v, in.WithDecryption)
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, api.ParameterHistory{Name: d.Name, Type: d.Type, Value: d.Value, Version: d.Version,
			DataType: d.DataType, LastModifiedDate: d.LastModifiedDate, LastModifiedUser: &v.User, KeyId: wire.Maybe(v.KeyID),
			Description: wire.Maybe(v.Description), AllowedPattern: wire.Maybe(v.AllowedPattern), Labels: []string{}, Tier: new("Standard")})
	}
	return out, nil
}

// DescribeParameters lists parameters without their values.
func (s *Service) DescribeParameters(ctx context.Context, in *api.DescribeParametersInput) (*api.DescribeParametersOutput, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	var found []api.ParameterMetadata
	for _, p := range all {
		ok, err := matches(p, in.ParameterFilters)
		if err != nil {
			return nil, err
		}
		if ok {
			v := p.latest()
			found = append(found, api.ParameterMetadata{ARN: arn(ctx, p.Name), Name: &p.Name, Type: &v.Type, KeyId: wire.Maybe(v.KeyID),
				LastModifiedDate: &v.Modified, LastModifiedUser: &v.User, Description: wire.Maybe(v.Description), Version: &v.Number,
				AllowedPattern: wire.Maybe(v.AllowedPattern), DataType: &v.DataType, Tier: new("Standard"), Policies: []api.ParameterInlinePolicy{}})
		}
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxResults, 50, "InvalidNextToken")
	return &api.DescribeParametersOutput{Parameters: found, NextToken: next}, err
}

func matches(p parameter, filters []api.ParameterStringFilter) (bool, error) {
	for _, f := range filters {
		var value string
		switch {
		case f.Key == "Name":
			value = p.Name
		case f.Key == "Type":
			value = p.latest().Type
		case f.Key == "KeyId":
			value = p.latest().KeyID
		case f.Key == "Path":
			value, _, _ = strings.Cut(p.Name, "/"+p.Name[strings.LastIndex(p.Name, "/")+1:])
		case strings.HasPrefix(f.Key, "tag:"):
			value = p.Tags[strings.TrimPrefix(f.Key, "tag:")]
		default:
			return false, wire.Errorf("InvalidFilterKey", "The filter key %s is not one of Name, Type, KeyId, Path, tag:<key>", f.Key)
		}
		if !matchesOne(value, f) {
			return false, nil
		}
	}
	return true, nil
}

func matchesOne(value string, f api.ParameterStringFilter) bool {
	for _, want := range f.Values {
		switch wire.Value(f.Option) {
		case "BeginsWith", "Recursive":
			if strings.HasPrefix(value, want) {
				return true
			}
		case "Contains":
			if strings.Contains(value, want) {
				return true
			}
		default:
			if value == want {
				return true
			}
		}
	}
	return len(f.Values) == 0 && value != ""
}

// DeleteParameter removes a parameter and its history.
func (s *Service) DeleteParameter(ctx context.Context, in *api.DeleteParameterInput) (*api.DeleteParameterOutput, error) {
	p, err := s.get(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return parameters.Delete(tx, key(ctx, p.Name)) })
	return &api.DeleteParameterOutput{}, err
}

// DeleteParameters removes up to ten parameters and names those it did not find.
func (s *Service) DeleteParameters(ctx context.Context, in *api.DeleteParametersInput) (*api.DeleteParametersOutput, error) {
	out := &api.DeleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		_, err := s.DeleteParameter(ctx, &api.DeleteParameterInput{Name: name})
		switch {
		case wire.HasCode(err, "ParameterNotFound"):
			out.InvalidParameters = append(out.InvalidParameters, name)
		case err != nil:
			return nil, err
		default:
			out.DeletedParameters = append(out.DeletedParameters, name)
		}
	}
	return out, nil
}
