package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/delivery"
	"slipway.dev/internal/manifest"
)

func (g *Globals) initCommand() *cobra.Command {
	var o manifest.InitOptions
	var force, both bool
	c := &cobra.Command{
		Use: "init", GroupID: "file", Args: cobra.NoArgs,
		Short:   "Write a commented slipway.yml",
		Example: "  slipway init\n  slipway init --name orders --port 3000 --environment dev --environment production",
		RunE: func(c *cobra.Command, _ []string) error {
			if both && len(o.Environments) == 0 {
				o.Environments = []string{"acceptance", "production"}
			}
			path := g.config
			if path == "" {
				path = manifest.FileName
			}
			return g.writeManifest(path, o, force)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Service, "name", "", "name of the service (the folder's)")
	f.IntVar(&o.Port, "port", 8080, "port the container listens on")
	f.StringArrayVar(&o.Environments, "environment", nil, "an environment; may be repeated (acceptance)")
	f.StringVar(&o.Provider, "provider", manifest.ProviderFargate, "what runs the containers: ecs-fargate or ecs")
	f.BoolVarP(&both, "env", "e", false, "with the environments acceptance and production, as mu")
	f.BoolVarP(&force, "force", "f", false, "overwrite the file")
	return c
}

func (g *Globals) writeManifest(path string, o manifest.InitOptions, force bool) error {
	if o.Service == "" {
		folder, err := filepath.Abs(filepath.Dir(path))
		if err != nil {
			return err
		}
		o.Service = nameOf(filepath.Base(folder))
	}
	text := manifest.Init(o)
	if _, err := manifest.Parse(path, text, manifest.Options{}); err != nil {
		return fmt.Errorf("these answers do not make a valid file:\n%w", err)
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; --force overwrites it", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	g.result(map[string]string{"file": path}, "Wrote "+path+". Next: slipway validate, then slipway up")
	return nil
}

// nameOf makes a service's name of a folder's: what a name may not hold becomes a dash.
func nameOf(folder string) string {
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, folder)
	return cmp.Or(strings.Trim(name, "-"), "service")
}

func (g *Globals) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", GroupID: "file", Args: cobra.NoArgs,
		Short: "Check the file: every mistake at once, with its place",
		Long:  "Check the file without network or credentials. Every mistake is reported at once, with its place; the exit code is 1 then.",
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := g.load()
			if err != nil {
				return g.explain(err)
			}
			if err := delivery.Check(m); err != nil {
				return err
			}
			for _, w := range blueprint.Warnings(m) {
				fmt.Fprintln(g.err, "Warning:", w)
			}
			g.result(map[string]any{"valid": true, "file": m.Path}, m.Path+" is valid")
			return nil
		},
	}
}

// explain prints the mistakes one JSON object each where programs read them.
func (g *Globals) explain(err error) error {
	var mistakes manifest.Errors
	if g.json && errors.As(err, &mistakes) {
		for _, e := range mistakes {
			g.result(e, "")
		}
	}
	return err
}

func (g *Globals) renderCommand() *cobra.Command {
	var env, dir string
	c := &cobra.Command{
		Use: "render", GroupID: "file", Args: cobra.NoArgs,
		Short:   "Write the CloudFormation templates, offline",
		Long:    "Write the CloudFormation templates and parameters of every stack of the file. Needs no network and no credentials; the same file gives the same bytes.",
		Example: "  slipway render -o build\n  slipway render --env production",
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := g.load()
			if err != nil {
				return err
			}
			stacks, err := delivery.Render(m, env, g.Version)
			if err != nil {
				return err
			}
			if dir == "" {
				return delivery.WriteStacks(g.out, stacks)
			}
			return g.writeStacks(stacks, dir)
		},
	}
	c.Flags().StringVarP(&env, "env", "e", "", "one environment only")
	c.Flags().StringVarP(&dir, "output", "o", "", "folder to write to (standard output)")
	return c
}

func (g *Globals) writeStacks(stacks []blueprint.Stack, dir string) error {
	files, err := delivery.WriteFolder(dir, stacks)
	if err != nil {
		return err
	}
	for _, f := range files {
		g.result(map[string]string{"file": f}, f)
	}
	return nil
}

func (g *Globals) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", GroupID: "file", Args: cobra.NoArgs,
		Short:   "Print the JSON Schema of the file, for editors",
		Example: "  slipway schema > slipway.schema.json\n  # in slipway.yml:  # yaml-language-server: $schema=slipway.schema.json",
		RunE: func(c *cobra.Command, _ []string) error {
			schema, err := manifest.Schema()
			if err == nil {
				_, err = g.out.Write(schema)
			}
			return err
		},
	}
}

func (g *Globals) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: "machine", Args: cobra.NoArgs,
		Short: "Print the version",
		RunE: func(c *cobra.Command, _ []string) error {
			g.result(map[string]string{"version": g.Version}, "slipway "+g.Version)
			return nil
		},
	}
}
