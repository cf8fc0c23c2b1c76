package ecr

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway.dev/internal/twin/wire"
)

const ruleForm = `{"rulePriority":%d,"selection":{%s},"action":{"type":"expire"}}`

func policy(rules ...string) string {
	var all []string
	for n, r := range rules {
		all = append(all, fmt.Sprintf(ruleForm, n+1, r))
	}
	return `{"rules":[` + strings.Join(all, ",") + `]}`
}

func TestExpiredImages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	at := func(digest string, days int, tags ...string) image {
		return image{Digest: digest, Tags: tags, Pushed: now.Add(-time.Duration(days)*24*time.Hour - time.Minute)}
	}
	all := []image{at("a", 1, "prod-3"), at("b", 10, "prod-2"), at("c", 20, "prod-1", "stable"), at("d", 5), at("e", 15), at("f", 2, "dev-1")}
	list := at("l", 3, "list")
	list.Children = []string{"e"}
	for _, c := range []struct {
		name   string
		policy string
		images []image
		want   string
	}{
		{"untagged by age", policy(`"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":7`), all, "e"},
		{"tagged by count", policy(`"tagStatus":"tagged","tagPrefixList":["prod-"],"countType":"imageCountMoreThan","countNumber":1`), all, "b c"},
		{"by pattern", policy(`"tagStatus":"tagged","tagPatternList":["*-1"],"countType":"imageCountMoreThan","countNumber":1`), all, "c"},
		{"all prefixes must fit", policy(`"tagStatus":"tagged","tagPrefixList":["prod-","stable"],"countType":"sinceImagePushed","countUnit":"days","countNumber":1`), all, "c"},
		{"a rule before shields", policy(`"tagStatus":"tagged","tagPrefixList":["prod-"],"countType":"imageCountMoreThan","countNumber":9`,
			`"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1`), all, "f d e"},
		{"any by count", policy(`"tagStatus":"any","countType":"imageCountMoreThan","countNumber":4`), all, "e c"},
		{"a list holds its images", policy(`"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":1`), append(slices.Clone(all), list), "d"},
	} {
		l, err := parseLifecycle(c.policy)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := strings.Join(expired(l, c.images, now), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()
	const good = `"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1`
	for name, text := range map[string]string{
		"no JSON": "{", "no rules": `{"rules":[]}`, "unknown key": `{"rules":[],"x":1}`,
		"tagged without tags": policy(`"tagStatus":"tagged","countType":"imageCountMoreThan","countNumber":1`),
		"prefix on any":       policy(good + `,"tagPrefixList":["a"]`),
		"days without unit":   policy(`"tagStatus":"any","countType":"sinceImagePushed","countNumber":1`),
		"count of none":       policy(`"tagStatus":"any","countType":"imageCountMoreThan","countNumber":0`),
		"any not last":        policy(good, `"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1`),
		"equal priorities":    `{"rules":[` + fmt.Sprintf(ruleForm, 1, good) + `,` + fmt.Sprintf(ruleForm, 1, good) + `]}`,
	} {
		if _, err := parseLifecycle(text); !wire.HasCode(err, "InvalidParameterException") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(`{"schemaVersion":2,"config":{"digest":"sha256:0"},"layers":[]}`, dockerV2)
	f.Add(`{"schemaVersion":2,"manifests":[]}`, "")
	f.Fuzz(func(t *testing.T, text, mediaType string) {
		m, err := parseManifest(text, mediaType)
		if err == nil && !m.list() && m.Config == nil {
			t.Errorf("a manifest without a configuration: %s", text)
		}
	})
}
