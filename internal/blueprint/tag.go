package blueprint

import "strings"

// tagPrefix is mu's, so that stacks of either tool are found by the other.
const tagPrefix = "mu:"

// tags gives a stack its tags; those that are empty are left out.
func (r *renderer) tags(kind Kind, values ...Tag) []Tag {
	all := append([]Tag{{"type", kind.Type()}}, values...)
	all = append(all, Tag{"version", r.facts.Version})
	var tags []Tag
	for _, t := range all {
		if t.Value != "" {
			tags = append(tags, Tag{tagPrefix + t.Key, t.Value})
		}
	}
	return tags
}

func (r *renderer) environmentTags(kind Kind) []Tag {
	return r.tags(kind,
		Tag{"environment", r.environment.Name},
		Tag{"provider", r.provider},
		Tag{"revision", r.facts.Revision},
		Tag{"repo", r.repoTag(kind)})
}

func (r *renderer) serviceTags(kind Kind) []Tag {
	return r.tags(kind,
		Tag{"environment", r.environment.Name},
		Tag{"service", r.service.Name},
		Tag{"provider", r.provider},
		Tag{"revision", r.facts.Revision},
		Tag{"repo", r.repoTag(kind)})
}

// repoTag is the repository's owner/name, and only its name on IAM stacks.
func (r *renderer) repoTag(kind Kind) string {
	if kind.Type() != "iam" {
		return r.facts.RepoSlug
	}
	return r.facts.RepoSlug[strings.LastIndex(r.facts.RepoSlug, "/")+1:]
}
