package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
)

func (g *Globals) serviceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "svc", Aliases: []string{"service"}, GroupID: "ship", Args: cobra.NoArgs,
		Short: "The service: show, push, deploy, undeploy, logs, restart, exec",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(g.serviceShow(), g.servicePush(), g.serviceDeploy(), g.serviceUndeploy(), g.serviceLogs(), g.serviceRestart(), g.serviceExec())
	return c
}

func (g *Globals) serviceShow() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "show [service]", Args: cobra.MaximumNArgs(1),
		Short: "Show where the service is deployed, which revision, and how it does",
		RunE: func(c *cobra.Command, args []string) error {
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				return g.repeat(ctx, watch, func() error { return g.showService(ctx, p, first(args)) })
			})
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show again every 10 seconds")
	c.Flags().BoolP("tasks", "t", false, "accepted for mu; the tasks are always shown")
	return c
}

func (g *Globals) showService(ctx context.Context, p *delivery.Project, name string) error {
	deployments, err := p.ShowService(ctx, name)
	if err != nil {
		return err
	}
	var rows [][]string
	var hosts []string
	for _, d := range deployments {
		if g.json {
			g.result(d, "")
		}
		rows = append(rows, []string{d.Environment, d.Revision, d.Status, fmt.Sprintf("%d/%d", d.Running, d.Desired), d.URL, local(d.ChangedAt)})
		hosts = d.Hosts // the file's, in every environment
	}
	g.table([]string{"Environment", "Revision", "Status", "Tasks", "URL", "Last Update"}, rows)
	g.sayHosts(hosts)
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (g *Globals) servicePush() *cobra.Command {
	var tag, provider, key string
	c := &cobra.Command{
		Use: "push", Args: cobra.NoArgs,
		Short:   "Build the image and push it to the service's repository",
		Example: "  slipway svc push\n  slipway svc push --tag v1.4.0",
		RunE: func(c *cobra.Command, _ []string) error {
			if provider != "" && provider != "ecr" || key != "" {
				return fmt.Errorf("svc push to S3 (--provider %s, --kms-key) is not supported yet", provider)
			}
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				image, err := p.Push(ctx, tag)
				if err != nil {
					return err
				}
				if !image.Pushed && !g.silent {
					fmt.Fprintf(g.err, "No changes: %s is in the repository\n", image.Tag)
				}
				g.result(image, image.Reference)
				return nil
			})
		},
	}
	c.Flags().StringVarP(&tag, "tag", "t", "", "tag of the image (the commit)")
	c.Flags().StringVar(&provider, "provider", "", "ecr")
	c.Flags().StringVarP(&key, "kms-key", "k", "", "not supported yet")
	return c
}

func (g *Globals) serviceDeploy() *cobra.Command {
	var tag string
	c := &cobra.Command{
		Use: "deploy <env>", Args: cobra.ExactArgs(1),
		Short:   "Deploy an image that has been pushed; with an older tag, roll back",
		Example: "  slipway svc deploy dev\n  slipway svc deploy production --tag 1a2b3c4",
		RunE: func(c *cobra.Command, args []string) error {
			if g.dryRun {
				return g.dry(args[0])
			}
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				d, err := p.Deploy(ctx, args[0], tag)
				if err != nil {
					return err
				}
				g.deployed(d)
				return nil
			})
		},
	}
	c.Flags().StringVarP(&tag, "tag", "t", "", "tag of the image (the one of the present files)")
	return c
}

func (g *Globals) serviceUndeploy() *cobra.Command {
	return &cobra.Command{
		Use: "undeploy <env> [service]", Args: cobra.RangeArgs(1, 2),
		Short: "Delete the service from an environment; images and environment stay",
		RunE: func(c *cobra.Command, args []string) error {
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error { return p.Undeploy(ctx, args[0], first(args[1:])) })
		},
	}
}

func (g *Globals) serviceLogs() *cobra.Command {
	var o delivery.LogOptions
	var service string
	c := &cobra.Command{
		Use: "logs <env> [filter...]", Args: cobra.MinimumNArgs(1),
		Short:   "Show what the service's containers write",
		Example: "  slipway svc logs dev -f\n  slipway svc logs dev -t 1h ERROR",
		RunE: func(c *cobra.Command, args []string) error {
			o.Filter = args[1:]
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				return g.stopQuietly(ctx, p.ServiceLogs(ctx, args[0], service, o, g.logLine))
			})
		},
	}
	logFlags(c, &o)
	serviceFlag(c, &service)
	return c
}

// serviceFlag is -s as in mu, which hides the global -s of --silent here as it does there.
func serviceFlag(c *cobra.Command, service *string) {
	c.Flags().StringVar(service, "service", "", "another service than the file's")
}

func (g *Globals) serviceRestart() *cobra.Command {
	var service string
	var batch int
	c := &cobra.Command{
		Use: "restart <env>", Args: cobra.ExactArgs(1),
		Short: "Replace the service's tasks by new ones of the same revision",
		Long: `Replace the service's tasks by new ones of the same revision: as a new deployment, which starts new tasks before it stops
old ones. With --batch-size the tasks are stopped so many at a time, as in mu, each batch when the one before it runs again.`,
		RunE: func(c *cobra.Command, args []string) error {
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error { return p.Restart(ctx, args[0], service, batch) })
		},
	}
	serviceFlag(c, &service)
	c.Flags().IntVarP(&batch, "batch-size", "b", 0, "tasks to stop at a time")
	return c
}

func (g *Globals) serviceExec() *cobra.Command {
	var service string
	c := &cobra.Command{
		Use: "exec <env> <command>...", Args: cobra.MinimumNArgs(2),
		Short: "Run a command in a task of its own, made from the service's image",
		Long: `Run a command in a new task with the service's image, variables, network and role, print what it writes, and end with its
exit code. The service's own tasks are not touched. Where the image has an ENTRYPOINT, the command is what it is given.`,
		Example: "  slipway svc exec dev -- migrate --all",
		RunE: func(c *cobra.Command, args []string) error {
			command := args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			if len(command) == 0 {
				return fmt.Errorf("svc exec needs a command to run")
			}
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				return p.Exec(ctx, args[0], service, command, func(l delivery.LogLine) { g.result(l, l.Message) })
			})
		},
	}
	serviceFlag(c, &service)
	c.Flags().SetInterspersed(false)
	return c
}
