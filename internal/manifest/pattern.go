package manifest

import "regexp"

// compilePattern anchors a stack-name pattern at both ends. The group keeps
// an alternation together: "a|b" matches the name "a" or the name "b".
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if re, err := regexp.Compile(pattern); err != nil {
		return re, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

func matches(pattern, stack string) bool {
	re, err := compilePattern(pattern)
	return err == nil && re.MatchString(stack)
}

// Matches reports whether the patch is meant for the named stack.
func (p TemplatePatch) Matches(stack string) bool { return matches(p.Pattern, stack) }

// Matches reports whether the parameters are meant for the named stack.
func (p ParameterSet) Matches(stack string) bool { return matches(p.Pattern, stack) }

// Matches reports whether the tags are meant for the named stack.
func (t TagSet) Matches(stack string) bool { return matches(t.Pattern, stack) }
