package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/delivery"
	"slipway.dev/internal/ui"
)

const timeFormat = "2006-01-02 15:04:05"

func (g *Globals) environmentCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "env", Aliases: []string{"environment"}, GroupID: "ship", Args: cobra.NoArgs,
		Short: "Environments: list, show, up, terminate, logs",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(g.environmentList(), g.environmentShow(), g.environmentUp(), g.environmentTerminate(), g.environmentLogs())
	return c
}

func (g *Globals) environmentList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs,
		Short: "List the environments of the namespace",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				stacks, err := p.Environments(ctx)
				if err != nil {
					return err
				}
				var rows [][]string
				for _, s := range stacks {
					if g.json {
						g.result(map[string]any{"environment": s.Tag("environment"), "stack": s.Name, "status": s.Status, "changedAt": s.ChangedAt}, "")
					}
					rows = append(rows, []string{s.Tag("environment"), s.Name, s.Status, local(s.ChangedAt)})
				}
				g.table([]string{"Environment", "Stack", "Status", "Last Update"}, rows)
				return nil
			})
		},
	}
}

// table prints rows to people; programs have had theirs as objects.
func (g *Globals) table(headers []string, rows [][]string) {
	if !g.json {
		ui.Table(g.out, headers, rows)
	}
}

func local(t time.Time) string { return t.Local().Format(timeFormat) }

func (g *Globals) environmentShow() *cobra.Command {
	var format string
	var watch bool
	c := &cobra.Command{
		Use: "show <env>", Args: cobra.ExactArgs(1),
		Short:   "Show an environment: stacks, address, services",
		Example: "  slipway env show dev\n  eval $(slipway env show dev -f shell); curl $BASE_URL",
		RunE: func(c *cobra.Command, args []string) error {
			write, ok := environmentFormats[format]
			if !ok {
				return fmt.Errorf("--format %s is not known: cli, json and shell are", format)
			}
			if g.json {
				write = func(w io.Writer, e *delivery.EnvironmentState) { g.result(e, "") }
			}
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				return g.repeat(ctx, watch, func() error {
					e, err := p.ShowEnvironment(ctx, args[0])
					if err == nil {
						write(g.out, e)
					}
					return err
				})
			})
		},
	}
	c.Flags().StringVarP(&format, "format", "f", "cli", "cli, json or shell; the last two give the address only")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show again every 10 seconds")
	return c
}

// environmentFormats are mu's; json is what Postman and newman read as an environment.
var environmentFormats = map[string]func(io.Writer, *delivery.EnvironmentState){
	"cli": showEnvironment,
	"json": func(w io.Writer, e *delivery.EnvironmentState) {
		fmt.Fprintf(w, `{"values":[{"key":"BASE_URL","value":%q}]}`+"\n", e.URL)
	},
	"shell": func(w io.Writer, e *delivery.EnvironmentState) { fmt.Fprintf(w, "BASE_URL=%s\n", e.URL) },
}

func showEnvironment(w io.Writer, e *delivery.EnvironmentState) {
	fmt.Fprintf(w, "Environment:    %s\n", e.Name)
	fmt.Fprintf(w, "Provider:       %s\n", e.Provider)
	for _, s := range []struct{ title, name, status string }{
		{"Cluster Stack", e.Cluster, e.ClusterStatus}, {"VPC Stack", e.VPC, e.VPCStatus}, {"LB Stack", e.LoadBalancer, e.LoadBalancerStatus},
	} {
		fmt.Fprintf(w, "%-15s %s", s.title+":", s.name)
		if s.status != "" {
			fmt.Fprintf(w, " (%s)", s.status)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "Base URL:       %s\n\nServices:\n", e.URL)
	var rows [][]string
	for _, s := range e.Services {
		rows = append(rows, []string{s.Service, s.Revision, s.Status, local(s.ChangedAt)})
	}
	ui.Table(w, []string{"Service", "Revision", "Status", "Last Update"}, rows)
}

// repeat shows something once, or every ten seconds until Ctrl-C.
func (g *Globals) repeat(ctx context.Context, again bool, show func() error) error {
	for {
		if again && ui.IsTerminal(g.out) {
			fmt.Fprint(g.out, "\x1b[2J\x1b[H")
		}
		if err := show(); err != nil || !again {
			return err
		}
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

func (g *Globals) environmentUp() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "up <env>...", Aliases: []string{"upsert"},
		Short:   "Bring environments up, without the service",
		Example: "  slipway env up dev\n  slipway env up --all",
		Args: func(c *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return fmt.Errorf("name environments, or give --all")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if g.dryRun {
				return g.dryEnvironments(args)
			}
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				ups, err := p.EnvironmentsUp(ctx, args)
				for _, d := range ups {
					g.deployed(d)
				}
				return err
			})
		},
	}
	c.Flags().BoolVarP(&all, "all", "A", false, "all environments of the file")
	return c
}

func (g *Globals) dryEnvironments(names []string) error {
	m, err := g.load()
	if err != nil {
		return err
	}
	stacks, err := delivery.RenderEnvironments(m, names, blueprint.Facts{Version: g.Version})
	if err != nil {
		return err
	}
	return g.writeStacks(stacks, g.dryRunOutput)
}

func (g *Globals) environmentTerminate() *cobra.Command {
	return &cobra.Command{
		Use: "terminate <env>...", Aliases: []string{"term"}, Args: cobra.MinimumNArgs(1),
		Short:   "Delete environments and every service in them",
		Example: "  slipway env terminate dev --yes",
		RunE: func(c *cobra.Command, args []string) error {
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error { return p.TerminateEnvironments(ctx, args) })
		},
	}
}

func (g *Globals) environmentLogs() *cobra.Command {
	var o delivery.LogOptions
	c := &cobra.Command{
		Use: "logs <env> [filter...]", Args: cobra.MinimumNArgs(1),
		Short: "Show the logs of an environment's hosts",
		RunE: func(c *cobra.Command, args []string) error {
			o.Filter = args[1:]
			return g.deliver(c, func(ctx context.Context, p *delivery.Project) error {
				return g.stopQuietly(ctx, p.EnvironmentLogs(ctx, args[0], o, g.logLine))
			})
		},
	}
	logFlags(c, &o)
	return c
}

func logFlags(c *cobra.Command, o *delivery.LogOptions) {
	c.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on as lines come")
	c.Flags().DurationVarP(&o.Since, "search-duration", "t", time.Minute, "how far back to begin")
}

// logLine prints a line as mu does: [stream] message.
func (g *Globals) logLine(l delivery.LogLine) {
	g.result(l, fmt.Sprintf("[%s] %s", l.Stream, l.Message))
}

// stopQuietly: Ctrl-C is how one stops following logs.
func (g *Globals) stopQuietly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
