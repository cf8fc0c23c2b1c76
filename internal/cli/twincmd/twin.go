// Package twincmd is the command `slipway twin`: it starts, stops and looks at the cloud on this machine. It is apart from the other
// commands because they must not know the twin.
package twincmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/twin"
)

// New is the command, for the root command made by package cli, whose flags --json, --yes and --region it uses.
func New() *cobra.Command {
	c := &cobra.Command{
		Use: "twin", GroupID: "machine", Args: cobra.NoArgs,
		Short: "The cloud on this machine: start, stop, status, env, logs, reset, coverage, engine",
		Long: `The twin is a server of AWS's APIs in one process on this machine, with containers, load balancers and an image registry that
really run. Commands start it when they need it. Its files are in ~/.slipway, or in SLIPWAY_HOME.`,
		Example: `  slipway twin start
  eval $(slipway twin env); aws ecs list-clusters
  slipway twin stop`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(startCommand(), stopCommand(), statusCommand(), envCommand(), logsCommand(), resetCommand(), coverageCommand(), engineCommand())
	return c
}

func asJSON(c *cobra.Command) bool {
	on, err := c.Flags().GetBool("json")
	return err == nil && on
}

func stateDir(home string) string { return filepath.Join(home, "state") }

func logFile(home string) string { return filepath.Join(home, "twin.log") }

// running reads how to reach the twin and asks it how it is. The error wraps delivery.ErrNoTwin when it does not run.
func running(ctx context.Context, home string) (delivery.Connection, *twin.Status, error) {
	c, err := delivery.ReadConnection(home)
	if err != nil {
		return c, nil, err
	}
	status, err := ask(ctx, c)
	return c, status, err
}

// ask gets the twin's status. Nobody listening means that it does not run, whatever its file says.
func ask(ctx context.Context, c delivery.Connection) (*twin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Endpoint+"/_slipway/status", nil)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", delivery.ErrNoTwin, err)
	}
	defer answer.Body.Close()
	status := &twin.Status{}
	if err := json.NewDecoder(answer.Body).Decode(status); err != nil || status.PID != c.PID {
		return nil, fmt.Errorf("%w: something else answers at %s", delivery.ErrNoTwin, c.Endpoint)
	}
	return status, nil
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: cobra.NoArgs,
		Short: "Say whether the twin runs, where, and on which container engine; exit code 1 when it does not",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			_, status, err := running(c.Context(), home)
			if errors.Is(err, delivery.ErrNoTwin) {
				return fmt.Errorf("%w (files in %s); start it with: slipway twin start", delivery.ErrNoTwin, home)
			}
			if err != nil {
				return err
			}
			return printStatus(c, status)
		},
	}
}

func printStatus(c *cobra.Command, s *twin.Status) error {
	if asJSON(c) {
		return json.NewEncoder(c.OutOrStdout()).Encode(s)
	}
	for _, row := range [][2]string{
		{"Endpoint", "http://" + s.Address}, {"Account", s.Account}, {"Region", s.Region}, {"Process", fmt.Sprint(s.PID)},
		{"Started", s.Started}, {"State", s.State}, {"Engine", s.Engine},
	} {
		fmt.Fprintf(c.OutOrStdout(), "%-9s %s\n", row[0]+":", row[1])
	}
	return nil
}

func envCommand() *cobra.Command {
	return &cobra.Command{
		Use: "env", Args: cobra.NoArgs,
		Short:   "Print the variables that point the AWS CLI, the SDKs and Terraform at the twin",
		Example: "  eval $(slipway twin env)\n  aws s3 ls",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			connection, _, err := running(c.Context(), home)
			if err != nil {
				return fmt.Errorf("%w; start it with: slipway twin start", err)
			}
			return printEnv(c, connection)
		},
	}
}

func printEnv(c *cobra.Command, at delivery.Connection) error {
	variables := [][2]string{
		{"AWS_ENDPOINT_URL", at.Endpoint}, {"AWS_ACCESS_KEY_ID", at.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", at.SecretAccessKey},
		{"AWS_REGION", at.Region}, {"AWS_DEFAULT_REGION", at.Region},
		// Some operations would be sent to a name of their own below the endpoint's, "streaming-127.0.0.1".
		{"AWS_DISABLE_HOST_PREFIX_INJECTION", "true"},
	}
	if asJSON(c) {
		all := map[string]string{}
		for _, v := range variables {
			all[v[0]] = v[1]
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(all)
	}
	for _, v := range variables {
		fmt.Fprintf(c.OutOrStdout(), "export %s='%s';\n", v[0], v[1])
	}
	// A profile or a session of AWS would take precedence over the key, or spoil its signature.
	fmt.Fprintln(c.OutOrStdout(), "unset AWS_PROFILE AWS_SESSION_TOKEN;")
	return nil
}
