// Package cli is the command line: it reads flags, calls delivery, and prints. What a command does is delivery's business.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/engine"
	"slipway.dev/internal/manifest"
	"slipway.dev/internal/ui"
)

// Globals are the flags every command has.
type Globals struct {
	Version string

	config, namespace                 string
	region, profile, assumeRole       string
	target, endpointURL, proxy        string
	dryRun                            bool
	dryRunOutput                      string
	silent, verbose, json, yes        bool
	disableIAM, skipVersion, dataLoss bool

	in       io.Reader
	out, err io.Writer
}

// New is the slipway command. Further commands, such as those of the twin, are added by the caller.
func New(version string) *cobra.Command {
	g := &Globals{Version: version}
	root := &cobra.Command{
		Use:   "slipway",
		Short: "Ship a service to AWS, or to a twin of AWS on this machine, from one file",
		Long: `Slipway reads one file that describes environments and a service, turns it into plain CloudFormation, and ships it:
to a twin of AWS that really runs on this machine (the default), or to an AWS account (--target aws).`,
		Example: `  slipway init                      write a slipway.yml
  slipway up                        bring everything up on the twin and print the address
  slipway svc deploy dev -t 1a2b3c4 roll back to an image deployed before
  slipway up --target aws           the same in an AWS account`,
		SilenceUsage: true, SilenceErrors: true,
		Version: version,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRun: func(c *cobra.Command, _ []string) {
			g.in, g.out, g.err = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
		},
	}
	g.flags(root)
	root.SetVersionTemplate("slipway {{.Version}}\n")
	root.AddGroup(&cobra.Group{ID: "ship", Title: "Ship:"}, &cobra.Group{ID: "file", Title: "The file:"}, &cobra.Group{ID: "machine", Title: "This machine:"})
	root.SetHelpCommandGroupID("machine")
	root.SetCompletionCommandGroupID("machine")
	root.AddCommand(g.upCommand(), g.downCommand(), g.environmentCommand(), g.serviceCommand())
	root.AddCommand(g.initCommand(), g.validateCommand(), g.renderCommand(), g.schemaCommand(), g.versionCommand())
	root.AddCommand(notYet()...)
	return root
}

func (g *Globals) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&g.config, "config", "c", "", "the file (slipway.yml, else mu.yml)")
	f.StringVarP(&g.namespace, "namespace", "n", "", "first word of every stack name; before MU_NAMESPACE and the file")
	f.StringVar(&g.target, "target", "", "where to: twin (the default) or aws")
	f.StringVar(&g.endpointURL, "endpoint-url", "", "address of another server of AWS's APIs, as target")
	f.StringVarP(&g.region, "region", "r", "", "AWS region")
	f.StringVarP(&g.profile, "profile", "p", "", "profile of the shared AWS configuration")
	f.StringVarP(&g.assumeRole, "assume-role", "a", "", "ARN of a role to act as")
	f.StringVarP(&g.proxy, "proxy", "P", "", "HTTP proxy of calls to AWS")
	f.BoolVarP(&g.dryRun, "dryrun", "d", false, "write the stacks to files instead of bringing them up; touches no network")
	f.StringVarP(&g.dryRunOutput, "dryrun-output", "O", filepath.Join(os.TempDir(), "mu-dryrun"), "folder of those files")
	f.BoolVarP(&g.disableIAM, "disable-iam", "I", false, "leave every stack about IAM alone")
	f.BoolVarP(&g.skipVersion, "skip-version-check", "F", false, "touch stacks made by another major version")
	f.BoolVar(&g.dataLoss, "allow-data-loss", false, "lift stack policies and termination protection")
	f.BoolVarP(&g.silent, "silent", "s", false, "warnings and errors only")
	f.BoolVarP(&g.verbose, "verbose", "V", false, "every event of every stack")
	f.BoolVar(&g.json, "json", false, "events and results as JSON on standard output, one object a line")
	f.BoolVarP(&g.yes, "yes", "y", false, "answer yes to every question")
}

// load reads the manifest. Warnings go to standard error.
func (g *Globals) load() (*manifest.Manifest, error) {
	path := g.config
	if path == "" {
		var err error
		if path, err = manifest.Find("."); err != nil {
			return nil, fmt.Errorf("%w, --config names another", err)
		}
	}
	options := manifest.Options{Getenv: os.LookupEnv, Namespace: g.namespace, NamespaceSource: "--namespace"}
	if options.Namespace == "" {
		options.Namespace, options.NamespaceSource = os.Getenv("MU_NAMESPACE"), "MU_NAMESPACE"
	}
	m, err := manifest.Load(path, options)
	if err != nil {
		return nil, err
	}
	for _, w := range m.Warnings {
		fmt.Fprintln(g.err, "Warning:", w)
	}
	return m, nil
}

// project reads the manifest and opens the target.
func (g *Globals) project(ctx context.Context) (*delivery.Project, error) {
	m, err := g.load()
	if err != nil {
		return nil, err
	}
	return g.projectOf(ctx, m)
}

func (g *Globals) projectOf(ctx context.Context, m *manifest.Manifest) (*delivery.Project, error) {
	target, err := delivery.OpenTarget(ctx, delivery.TargetOptions{
		Name: g.target, EndpointURL: g.endpointURL, Region: g.region, Profile: g.profile, AssumeRole: g.assumeRole, Proxy: g.proxy,
		StartTwin: g.startTwin,
	})
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(m.Path)
	git, err := delivery.ReadGit(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &delivery.Project{
		Manifest: m, Dir: dir, Target: target, Git: git, Version: g.Version,
		Engine:     func(ctx context.Context) (delivery.ImageEngine, error) { return engine.Find(ctx) },
		DisableIAM: g.disableIAM, SkipVersionCheck: g.skipVersion, AllowDataLoss: g.dataLoss, Yes: g.yes,
		Confirm: func(question string) (bool, error) { return ui.Confirm(g.in, g.err, question) },
	}, nil
}

// result prints a command's result: as JSON, or the text.
func (g *Globals) result(v any, text string) {
	if g.json {
		(&ui.JSON{Out: g.out}).Write(v)
		return
	}
	if text != "" {
		fmt.Fprintln(g.out, text)
	}
}

// ExitCode is what the process ends with after an error.
func ExitCode(err error) int {
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.ExitCode()
	case errors.Is(err, ErrInterrupted):
		return 130
	}
	return 1
}

// Fail prints an error to people, or, with --json among the arguments, to programs.
func Fail(err error, arguments []string, out, errs io.Writer) {
	if err == nil {
		return
	}
	for _, a := range arguments {
		if a == "--" {
			break
		}
		if a == "--json" {
			(&ui.JSON{Out: out}).Write(map[string]string{"event": "error", "text": err.Error()})
		}
	}
	fmt.Fprintln(errs, "Error:", strings.TrimRight(err.Error(), "\n"))
}
