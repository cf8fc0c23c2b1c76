package blueprint

import (
	"errors"
	"fmt"

	"slipway.dev/internal/cfn"
)

// Check reads the stack as CloudFormation would before it touches anything:
// the template's syntax, references and resource types, and the values of its
// parameters. Overrides can make any of them wrong. Positions in the error are
// those of the rendered template, called <stack>.yml.
func (s *Stack) Check() error {
	template, err := cfn.Parse(s.Name+".yml", s.Template)
	if err != nil {
		return err
	}
	_, values := template.ResolveParameters(s.given(), nil, unresolved)
	if values != nil {
		values = fmt.Errorf("parameters of %s: %w", s.Name, values)
	}
	return errors.Join(template.Validate(), template.ValidateTypes(), values)
}

func (s *Stack) given() map[string]string {
	given := make(map[string]string, len(s.Parameters))
	for _, p := range s.Parameters {
		given[p.Key] = p.Value
	}
	return given
}

// unresolved takes the name of an SSM parameter for its value: only the
// account knows that.
func unresolved(name string) (string, error) { return name, nil }
