package wire

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// validationCode is the error code a service answers with when input breaks the model's constraints.
var validationCode = map[string]string{
	"cloudformation": "ValidationError", "iam": "ValidationError", "sts": "ValidationError", "elbv2": "ValidationError",
	"autoscaling": "ValidationError", "ec2": "InvalidParameterValue", "s3": "InvalidArgument",
	"ecs": "InvalidParameterException", "ecr": "InvalidParameterException", "logs": "InvalidParameterException",
	"lambda": "InvalidParameterValueException", "servicediscovery": "InvalidInput",
}

// Validate checks an input against the constraints of the model and words what it finds as AWS does.
func (a *API) Validate(op *OperationModel, in any) error {
	if op.Input == nil {
		return nil
	}
	c := &checker{}
	c.structure(op.Input.Target, reflect.ValueOf(in).Elem(), "")
	if len(c.found) == 0 {
		return nil
	}
	plural := ""
	if len(c.found) > 1 {
		plural = "s"
	}
	return Errorf(cmp.Or(validationCode[a.Name], "ValidationException"), "%d validation error%s detected: %s", len(c.found), plural, strings.Join(c.found, "; "))
}

type checker struct{ found []string }

func (c *checker) fail(s *Shape, v reflect.Value, path, constraint string, args ...any) {
	value := "null"
	if v.IsValid() {
		value = fmt.Sprintf("'%v'", v.Interface())
	}
	if s.Sensitive {
		value = "'***'"
	}
	c.found = append(c.found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, path, fmt.Sprintf(constraint, args...)))
}

func (c *checker) structure(s *Shape, v reflect.Value, path string) {
	if s.Document {
		return
	}
	for _, name := range s.MemberNames() {
		ref := s.Members[name]
		f := field(v, name)
		if !f.IsValid() {
			continue
		}
		inner, ok := present(f)
		required := slices.Contains(s.Required, name)
		if !ok || required && unsetValue(inner, ref) {
			if required {
				c.fail(ref.Target, reflect.Value{}, join(path, name), "Member must not be null")
			}
			continue
		}
		c.value(ref.Target, inner, join(path, name))
	}
}

// unsetValue: a required string is a plain Go string, so that a missing one shows as empty. No required string of AWS may be
// empty where its shape has a minimum length or an enum.
func unsetValue(v reflect.Value, ref *Ref) bool {
	return v.Kind() == reflect.String && v.Len() == 0 && (ref.Target.Min != nil && *ref.Target.Min > 0 || len(ref.Target.Enum) > 0 || ref.Location == "uri")
}

func (c *checker) value(s *Shape, v reflect.Value, path string) {
	switch s.Type {
	case "structure":
		c.structure(s, v, path)
	case "list":
		c.length(s, v, path, v.Len())
		for i := range v.Len() {
			if item, ok := present(v.Index(i)); ok {
				c.value(s.Member.Target, item, fmt.Sprintf("%s.%d.member", path, i+1))
			}
		}
	case "map":
		c.length(s, v, path, v.Len())
		for _, k := range v.MapKeys() {
			c.value(s.Key.Target, k, path+".key")
			if item, ok := present(v.MapIndex(k)); ok {
				c.value(s.Value.Target, item, path+"."+k.String()+".member")
			}
		}
	case "string":
		c.text(s, v, path)
	case "blob":
		if v.Kind() == reflect.Slice {
			c.length(s, v, path, v.Len())
		}
	case "integer", "long":
		c.size(s, v, path, float64(v.Int()))
	case "float", "double":
		c.size(s, v, path, v.Float())
	}
}

func (c *checker) text(s *Shape, v reflect.Value, path string) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v.String()) {
		c.fail(s, v, path, "Member must satisfy enum value set: [%s]", strings.Join(s.Enum, ", "))
		return
	}
	c.length(s, v, path, utf8.RuneCountInString(v.String()))
	if re := compiled(s.Pattern); re != nil && !re.MatchString(v.String()) {
		c.fail(s, v, path, "Member must satisfy regular expression pattern: %s", s.Pattern)
	}
}

func (c *checker) length(s *Shape, v reflect.Value, path string, n int) {
	if s.Min != nil && float64(n) < *s.Min {
		c.fail(s, v, path, "Member must have length greater than or equal to %d", int(*s.Min))
	}
	if s.Max != nil && float64(n) > *s.Max {
		c.fail(s, v, path, "Member must have length less than or equal to %d", int(*s.Max))
	}
}

func (c *checker) size(s *Shape, v reflect.Value, path string, n float64) {
	if s.Min != nil && n < *s.Min {
		c.fail(s, v, path, "Member must have value greater than or equal to %v", *s.Min)
	}
	if s.Max != nil && n > *s.Max {
		c.fail(s, v, path, "Member must have value less than or equal to %v", *s.Max)
	}
}

var patterns sync.Map // pattern → *regexp.Regexp, nil where Go cannot read it (the models use Java's syntax)

func compiled(pattern string) *regexp.Regexp {
	if pattern == "" {
		return nil
	}
	known, ok := patterns.Load(pattern)
	if !ok {
		re, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			re = nil
		}
		known, _ = patterns.LoadOrStore(pattern, re)
	}
	return known.(*regexp.Regexp)
}
