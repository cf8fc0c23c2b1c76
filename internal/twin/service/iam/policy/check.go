package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// check applies the rules that go beyond the grammar.
func (r reader) check(d *Document) error {
	if err := r.version(d.Version); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, s := range d.Statements {
		if s.Sid != "" && seen[s.Sid] {
			return &Error{"Statement IDs (SID) in a single policy must be unique."}
		}
		seen[s.Sid] = true
		if err := r.statement(s); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) version(v string) error {
	switch {
	case r.kind == Identity && v != Version2012:
		return &Error{"Policy document must be version 2012-10-17 or greater."}
	case v != "" && v != Version2012 && v != Version2008:
		return &Error{"Syntax errors in policy."}
	}
	return nil
}

func (r reader) statement(s Statement) error {
	if len(s.actions()) == 0 {
		if r.kind == Trust {
			return &Error{"Missing required field Action"}
		}
		return &Error{"Policy statement must contain actions."}
	}
	for _, a := range s.actions() {
		if err := action(a); err != nil {
			return err
		}
	}
	switch r.kind {
	case Trust:
		return trust(s)
	case Identity:
		return identity(s)
	}
	if s.Principal == nil && s.NotPrincipal == nil {
		return &Error{"Missing required field Principal"}
	}
	return resources(s)
}

func identity(s Statement) error {
	if s.Principal != nil || s.NotPrincipal != nil {
		return &Error{"Policy document should not specify a principal."}
	}
	if len(s.resources()) == 0 {
		return &Error{"Policy statement must contain resources."}
	}
	return resources(s)
}

var vendor = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)

func action(a string) error {
	if a == "*" {
		return nil
	}
	service, name, ok := strings.Cut(a, ":")
	switch {
	case !ok:
		return &Error{"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."}
	case strings.Contains(name, ":"):
		return &Error{"Actions/Condition can contain only one colon."}
	case !vendor.MatchString(service):
		return &Error{fmt.Sprintf("Vendor %s is not valid", service)}
	}
	return nil
}

// resources must be "*", an ARN of six parts, or a pattern that may become one ("arn:aws:*").
func resources(s Statement) error {
	for _, text := range s.resources() {
		if text == "*" || strings.HasPrefix(text, "*") {
			continue
		}
		parts := strings.SplitN(text, ":", 6)
		switch {
		case parts[0] != "arn":
			return &Error{fmt.Sprintf(`Resource %s must be in ARN format or "*".`, text)}
		case len(parts) < 6 && !strings.HasSuffix(text, "*"):
			return &Error{fmt.Sprintf("Resource %s must be in ARN format or \"*\".", text)}
		case len(parts) > 2 && parts[2] != "*" && !vendor.MatchString(parts[2]):
			return &Error{"Resource vendor must be fully qualified and cannot contain regexes."}
		}
	}
	return nil
}

// trusting are the actions that a trust policy may grant.
var trusting = []string{"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext", "sts:*"}

func trust(s Statement) error {
	switch {
	case len(s.resources()) > 0:
		return &Error{"Has prohibited field Resource"}
	case s.Principal == nil && s.NotPrincipal == nil:
		return &Error{"Missing required field Principal"}
	case s.NotPrincipal != nil && s.Effect == "Allow":
		return &Error{"Has prohibited field NotPrincipal"}
	}
	for _, a := range s.actions() {
		if !slices.Contains(trusting, strings.ToLower(a)) {
			return &Error{"AssumeRole policy may only specify STS AssumeRole actions."}
		}
	}
	return principals(s)
}

var (
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
	principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role|federated-user)/.+)$`)
	service      = regexp.MustCompile(`^[a-z0-9*-]+(\.[a-z0-9-]+)*\.(amazonaws|amazon|aws)(\.com)?(\.cn)?$`)
	uniqueID     = regexp.MustCompile(`^(AIDA|AROA)[A-Z0-9]{12,}$`)
)

func principals(s Statement) error {
	p := s.Principal
	if p == nil {
		p = s.NotPrincipal
	}
	for _, a := range p.AWS {
		if a != "*" && !accountID.MatchString(a) && !principalARN.MatchString(a) && !uniqueID.MatchString(a) {
			return &Error{fmt.Sprintf(`Invalid principal in policy: "AWS":%q`, a)}
		}
	}
	for _, name := range p.Service {
		if !service.MatchString(name) {
			return &Error{fmt.Sprintf(`Invalid principal in policy: "SERVICE":%q`, name)}
		}
	}
	return nil
}
