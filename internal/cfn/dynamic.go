package cfn

import (
	"fmt"
	"regexp"
	"strings"
)

// DynamicReference is a {{resolve:service:reference}} in a string (User Guide,
// "Specify values stored in other services using dynamic references").
type DynamicReference struct {
	Service   string // ssm, ssm-secure or secretsmanager
	Reference string // everything after the service
	// Name and Version are set for ssm and ssm-secure; Version "" is the latest.
	Name, Version string
	// The rest is set for secretsmanager; SecretID may be an ARN.
	SecretID, JSONKey, VersionStage, VersionID string
}

// MostDynamicReferences is how many a template may hold.
const MostDynamicReferences = 60

var dynamicPattern = regexp.MustCompile(`\{\{resolve:([a-z-]+):([^{}]+)\}\}`)

// ParseDynamicReference reads one reference, with its braces.
func ParseDynamicReference(text string) (DynamicReference, error) {
	match := dynamicPattern.FindStringSubmatch(text)
	if match == nil || match[0] != text {
		return DynamicReference{}, fmt.Errorf("%q is no dynamic reference", text)
	}
	ref := DynamicReference{Service: match[1], Reference: match[2]}
	switch ref.Service {
	case "ssm", "ssm-secure":
		ref.Name, ref.Version, _ = strings.Cut(ref.Reference, ":")
		if strings.HasPrefix(ref.Reference, "arn:") {
			ref.Name, ref.Version = ref.Reference, ""
		}
		return ref, nil
	case "secretsmanager":
		return ref.secret()
	}
	return ref, fmt.Errorf("Could not resolve reference: %s is not one of ssm, ssm-secure, secretsmanager", ref.Service)
}

// secret reads secret-id:SecretString:json-key:version-stage:version-id.
func (ref DynamicReference) secret() (DynamicReference, error) {
	parts := strings.Split(ref.Reference, ":")
	id := 1
	if parts[0] == "arn" {
		id = min(7, len(parts))
	}
	ref.SecretID = strings.Join(parts[:id], ":")
	rest := append(parts[id:], "", "", "", "")
	if rest[0] != "" && rest[0] != "SecretString" {
		return ref, fmt.Errorf("Could not resolve reference: %s must be SecretString", rest[0])
	}
	if len(parts)-id > 4 {
		return ref, fmt.Errorf("Could not resolve reference: %s has too many parts", ref.Reference)
	}
	ref.JSONKey, ref.VersionStage, ref.VersionID = rest[1], rest[2], rest[3]
	return ref, nil
}

// DynamicReferences lists the references in a text, with their braces.
func DynamicReferences(text string) []string { return dynamicPattern.FindAllString(text, -1) }

// ResolveDynamic replaces the dynamic references in every string of a resolved
// value. Without e.Dynamic it returns the value as it is.
func (e *Evaluator) ResolveDynamic(value any) (any, error) {
	if e.Dynamic == nil {
		return value, nil
	}
	switch v := value.(type) {
	case string:
		return e.resolveText(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			resolved, err := e.ResolveDynamic(item)
			if err != nil {
				return nil, err
			}
			out[i] = resolved
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			resolved, err := e.ResolveDynamic(item)
			if err != nil {
				return nil, err
			}
			out[key] = resolved
		}
		return out, nil
	}
	return value, nil
}

func (e *Evaluator) resolveText(text string) (string, error) {
	var failed error
	out := dynamicPattern.ReplaceAllStringFunc(text, func(match string) string {
		if failed != nil {
			return match
		}
		ref, err := ParseDynamicReference(match)
		if err != nil {
			failed = err
			return match
		}
		value, err := e.Dynamic(ref)
		failed = err
		return value
	})
	return out, failed
}
