package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/manifest"
)

// Render gives the stacks of one environment, or of all where env is empty, without network: those that environments share once.
func Render(m *manifest.Manifest, env, version string) ([]blueprint.Stack, error) {
	names := []string{env}
	if env == "" {
		names = m.EnvironmentNames()
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no environments to render", m.Path)
	}
	var all []blueprint.Stack
	for _, name := range names {
		stacks, err := blueprint.Render(m, name, blueprint.Facts{Version: version})
		if err != nil {
			return nil, err
		}
		all = appendNew(all, stacks)
	}
	return all, nil
}

// Check renders everything the file describes and reads it as CloudFormation would, so that a mistake in an override shows before
// anything is touched.
func Check(m *manifest.Manifest) error {
	if len(m.Environments) == 0 {
		return nil
	}
	stacks, err := Render(m, "", "")
	if err != nil {
		return err
	}
	var faults []error
	for i := range stacks {
		faults = append(faults, stacks[i].Check())
	}
	return errors.Join(faults...)
}

// WriteStacks writes templates one after another, as YAML documents that begin with the stack's name.
func WriteStacks(w io.Writer, stacks []blueprint.Stack) error {
	for _, s := range stacks {
		if _, err := fmt.Fprintf(w, "---\n# %s\n%s", s.Name, s.Template); err != nil {
			return err
		}
	}
	return nil
}

// WriteFolder writes template-<stack>.yml and config-<stack>.json for each stack, the names of mu's dry run, and returns the paths.
// The second is what `aws cloudformation deploy --parameter-overrides file://` and CodePipeline read.
func WriteFolder(dir string, stacks []blueprint.Stack) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var files []string
	for _, s := range stacks {
		config, err := json.MarshalIndent(configOf(s), "", "  ")
		if err != nil {
			return files, err
		}
		for name, text := range map[string][]byte{"template-" + s.Name + ".yml": s.Template, "config-" + s.Name + ".json": append(config, '\n')} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, text, 0o644); err != nil {
				return files, err
			}
			files = append(files, path)
		}
	}
	slices.Sort(files)
	return files, nil
}

// stackConfig is CodePipeline's template configuration file.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
type stackConfig struct {
	Parameters map[string]string
	Tags       map[string]string
}

func configOf(s blueprint.Stack) stackConfig {
	c := stackConfig{Parameters: map[string]string{}, Tags: map[string]string{}}
	for _, p := range s.Parameters {
		c.Parameters[p.Key] = p.Value
	}
	for _, t := range s.Tags {
		c.Tags[t.Key] = t.Value
	}
	return c
}
