package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
)

func (g *Globals) upCommand() *cobra.Command {
	var env string
	c := &cobra.Command{
		Use: "up", GroupID: "ship", Args: cobra.NoArgs,
		Short: "Bring everything up: environment, image, service",
		Long: `Bring up everything the file describes, in one environment: its network, load balancer and cluster; the service's image,
built and pushed; and the service. Run again, it changes what has changed and nothing else. The address is printed at the end.`,
		Example: "  slipway up\n  slipway up --env production --target aws --profile prod",
		RunE: func(c *cobra.Command, _ []string) error {
			if g.dryRun {
				return g.dry(env)
			}
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				d, err := p.Up(ctx, env)
				if err != nil {
					return err
				}
				g.deployed(d)
				return nil
			})
		},
	}
	c.Flags().StringVarP(&env, "env", "e", "", "environment (the first of the file)")
	return c
}

// deployed tells what is up: the address alone on standard output.
func (g *Globals) deployed(d *delivery.Deployment) {
	if !g.json && !g.silent {
		what := "environment " + d.Environment
		if d.Service != "" {
			what = fmt.Sprintf("service %s (%s) in %s", d.Service, d.Revision, what)
		}
		if d.Changed {
			fmt.Fprintf(g.err, "Up: %s\n", what)
		} else {
			fmt.Fprintf(g.err, "No changes: %s is up\n", what)
		}
	}
	g.result(deploymentLine{time.Now(), "deployment", d}, d.URL)
	g.sayHosts(d.Hosts)
}

// sayHosts says which Host headers an address wants, where it answers 404 without.
func (g *Globals) sayHosts(hosts []string) {
	if len(hosts) > 0 && !g.json && !g.silent {
		fmt.Fprintf(g.err, "answers to Host: %s\n", strings.Join(hosts, ", "))
	}
}

// deploymentLine is a deployment as a line of --json, like those of its events.
type deploymentLine struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"`
	*delivery.Deployment
}

// dry writes the stacks instead of bringing them up.
func (g *Globals) dry(env string) error {
	m, err := g.load()
	if err != nil {
		return err
	}
	stacks, err := delivery.Render(m, env, g.Version)
	if err != nil {
		return err
	}
	return g.writeStacks(stacks, g.dryRunOutput)
}

func (g *Globals) downCommand() *cobra.Command {
	var env string
	var all bool
	c := &cobra.Command{
		Use: "down", GroupID: "ship", Args: cobra.NoArgs,
		Short: "Take down everything of the file in an environment",
		Long: `Delete the service and, unless services of other files run in it, the environment. What environments share stays: the image
repository and the roles of the namespace; --all takes all environments and these down, too.`,
		Example: "  slipway down\n  slipway down --env production --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error { return p.Down(ctx, env, all) })
		},
	}
	c.Flags().StringVarP(&env, "env", "e", "", "environment (the first of the file)")
	c.Flags().BoolVar(&all, "all", false, "all environments, and what they share: images and roles")
	c.MarkFlagsMutuallyExclusive("env", "all")
	return c
}
