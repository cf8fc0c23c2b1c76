package ecr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// lifecycle is a lifecycle policy.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
type lifecycle struct {
	Rules []rule `json:"rules"`
}

type rule struct {
	Priority    int       `json:"rulePriority"`
	Description string    `json:"description"`
	Selection   selection `json:"selection"`
	Action      struct {
		Type string `json:"type"`
	} `json:"action"`
}

type selection struct {
	TagStatus string   `json:"tagStatus"`
	Prefixes  []string `json:"tagPrefixList"`
	Patterns  []string `json:"tagPatternList"`
	CountType string   `json:"countType"`
	CountUnit string   `json:"countUnit"`
	Count     int      `json:"countNumber"`
}

const (
	imageCountMoreThan = "imageCountMoreThan"
	sinceImagePushed   = "sinceImagePushed"
)

func badPolicy(reason string) error {
	return wire.Errorf("InvalidParameterException", "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: %s'", reason)
}

func parseLifecycle(text string) (lifecycle, error) {
	var l lifecycle
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, badPolicy("could not parse the policy: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if len(l.Rules) == 0 {
		return l, badPolicy("object has too few rules: at least one is required")
	}
	slices.SortStableFunc(l.Rules, func(a, b rule) int { return cmp.Compare(a.Priority, b.Priority) })
	for n, r := range l.Rules {
		if problem := r.problem(); problem != "" {
			return l, badPolicy(problem)
		}
		if n > 0 && l.Rules[n-1].Priority == r.Priority {
			return l, badPolicy("rulePriority must be unique")
		}
		if r.Selection.TagStatus == "any" && n < len(l.Rules)-1 {
			return l, badPolicy("the rule with tagStatus=any must have the highest rulePriority")
		}
	}
	return l, nil
}

// problem says what is wrong with a rule, "" where nothing is.
func (r rule) problem() string {
	s := r.Selection
	named := len(s.Prefixes) + len(s.Patterns)
	switch {
	case r.Priority < 1:
		return "rulePriority must be at least 1"
	case r.Action.Type != "expire":
		return "instance value (\"" + r.Action.Type + "\") not found in enum (possible values: [\"expire\"])"
	case !slices.Contains([]string{"tagged", "untagged", "any"}, s.TagStatus):
		return "instance value (\"" + s.TagStatus + "\") not found in enum (possible values: [\"any\",\"tagged\",\"untagged\"])"
	case s.TagStatus == "tagged" && named == 0:
		return "tagPatternList or tagPrefixList is required with tagStatus=tagged"
	case s.TagStatus != "tagged" && named > 0:
		return "tagPatternList and tagPrefixList go with tagStatus=tagged only"
	case len(s.Prefixes) > 0 && len(s.Patterns) > 0:
		return "tagPatternList and tagPrefixList exclude each other"
	case s.CountType != imageCountMoreThan && s.CountType != sinceImagePushed:
		return "instance value (\"" + s.CountType + "\") not found in enum (possible values: [\"imageCountMoreThan\",\"sinceImagePushed\"])"
	case (s.CountType == sinceImagePushed) != (s.CountUnit == "days"):
		return "countUnit days goes with countType=sinceImagePushed, which requires it"
	case s.Count < 1:
		return "countNumber must be at least 1"
	}
	return ""
}

// selects reports whether a rule is about an image: of several prefixes or patterns each must fit one of its tags.
func (s selection) selects(i image) bool {
	switch s.TagStatus {
	case "untagged":
		return len(i.Tags) == 0
	case "any":
		return true
	}
	for _, prefix := range s.Prefixes {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { return strings.HasPrefix(t, prefix) }) {
			return false
		}
	}
	for _, pattern := range s.Patterns {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { ok, err := path.Match(pattern, t); return ok && err == nil }) {
			return false
		}
	}
	return len(i.Tags) > 0
}

// expired decides which images of a repository a policy removes. An image that a rule is about is out of reach of the rules
// after it, and one in a list stays as long as the list does.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html#lp_evaluation_rules
func expired(l lifecycle, all []image, now time.Time) (digests []string) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b image) int { return b.Pushed.Compare(a.Pushed) })
	taken, inList := map[string]bool{}, map[string]bool{}
	for _, i := range all {
		for _, child := range i.Children {
			inList[child] = true
		}
	}
	for _, r := range l.Rules {
		count := 0
		for _, i := range all {
			if inList[i.Digest] || !r.Selection.selects(i) {
				continue
			}
			count++
			if taken[i.Digest] {
				continue
			}
			taken[i.Digest] = true
			if r.Selection.over(i, count, now) {
				digests = append(digests, i.Digest)
			}
		}
	}
	return digests
}

// over reports whether the image, the count-th newest of the selected, is beyond what the rule keeps.
func (s selection) over(i image, count int, now time.Time) bool {
	if s.CountType == imageCountMoreThan {
		return count > s.Count
	}
	return now.Sub(i.Pushed) > time.Duration(s.Count)*24*time.Hour
}

// expire applies the lifecycle policies of all repositories.
func (s *Service) expire(ctx context.Context) error {
	var all []store.Row[repository]
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		all, err = repositories.All(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Value.Lifecycle == "" {
			continue
		}
		if err := s.expireIn(operation.AsService(ctx, "ecr.amazonaws.com", r.Account, r.Region), r.Value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) expireIn(ctx context.Context, r repository) error {
	policy, err := parseLifecycle(r.Lifecycle)
	if err != nil {
		return err
	}
	var digests []string
	err = s.see(ctx, nil, r.Name, func(tx *store.Tx, r repository) error {
		all, err := r.images(tx)
		digests = expired(policy, all, s.Clock.Now())
		return err
	})
	if len(digests) == 0 || err != nil {
		return err
	}
	in := &api.BatchDeleteImageInput{RepositoryName: r.Name}
	for _, digest := range digests {
		in.ImageIds = append(in.ImageIds, api.ImageIdentifier{ImageDigest: &digest})
	}
	if _, err := s.BatchDeleteImage(ctx, in); err != nil {
		return err
	}
	_, err = s.change(ctx, nil, r.Name, func(tx *store.Tx, r *repository) error {
		r.Evaluated = s.Clock.Now()
		return nil
	})
	return err
}

// PutLifecyclePolicy sets the rules by which images expire.
func (s *Service) PutLifecyclePolicy(ctx context.Context, in *api.PutLifecyclePolicyInput) (*api.PutLifecyclePolicyOutput, error) {
	if _, err := parseLifecycle(in.LifecyclePolicyText); err != nil {
		return nil, err
	}
	r, err := s.change(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r *repository) error {
		r.Lifecycle = in.LifecyclePolicyText
		tx.AfterCommit(s.wake.Wake)
		return nil
	})
	return &api.PutLifecyclePolicyOutput{RegistryId: &r.Account, RepositoryName: &r.Name, LifecyclePolicyText: &r.Lifecycle}, err
}

func (r repository) lifecycle() (string, error) {
	if r.Lifecycle == "" {
		return "", wire.Errorf("LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", r.Name, r.Account)
	}
	return r.Lifecycle, nil
}

func (r repository) evaluated() *time.Time {
	if r.Evaluated.IsZero() {
		return nil
	}
	return &r.Evaluated
}

// GetLifecyclePolicy returns the rules.
func (s *Service) GetLifecyclePolicy(ctx context.Context, in *api.GetLifecyclePolicyInput) (out *api.GetLifecyclePolicyOutput, err error) {
	err = s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		text, err := r.lifecycle()
		out = &api.GetLifecyclePolicyOutput{RegistryId: &r.Account, RepositoryName: &r.Name, LifecyclePolicyText: &text, LastEvaluatedAt: r.evaluated()}
		return err
	})
	return out, err
}

// DeleteLifecyclePolicy removes the rules and returns them.
func (s *Service) DeleteLifecyclePolicy(ctx context.Context, in *api.DeleteLifecyclePolicyInput) (*api.DeleteLifecyclePolicyOutput, error) {
	var text string
	r, err := s.change(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r *repository) (err error) {
		text, err = r.lifecycle()
		r.Lifecycle = ""
		return err
	})
	return &api.DeleteLifecyclePolicyOutput{RegistryId: &r.Account, RepositoryName: &r.Name, LifecyclePolicyText: &text, LastEvaluatedAt: r.evaluated()}, err
}
