package twincmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin"
	"slipway.dev/internal/ui"
)

func logsCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "logs", Args: cobra.NoArgs,
		Short: "Print the twin's own log",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
			defer stop()
			return copyLog(ctx, c.OutOrStdout(), logFile(home), follow)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on as lines come")
	return c
}

func copyLog(ctx context.Context, out io.Writer, path string, follow bool) error {
	log, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the twin has no log yet: %s", path)
	}
	if err != nil {
		return err
	}
	defer log.Close()
	reader := bufio.NewReader(log)
	for {
		if _, err := io.Copy(out, reader); err != nil || !follow {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func coverageCommand() *cobra.Command {
	return &cobra.Command{
		Use: "coverage", Args: cobra.NoArgs,
		Short: "List which of AWS's operations and resource types the twin has, and which have their real effect",
		Long: `List what the twin has of AWS. An operation or resource type "runs" when it has its real effect here, and is "recorded" when it is
stored and returned faithfully without one. INERT are members that have no effect.`,
		RunE: func(c *cobra.Command, _ []string) error {
			rows := twin.Coverage(twin.Rooms())
			if asJSON(c) {
				return json.NewEncoder(c.OutOrStdout()).Encode(rows)
			}
			var cells [][]string
			for _, r := range rows {
				cells = append(cells, []string{r.Service, r.Kind, r.Name, r.Fidelity, strings.Join(r.Inert, " ")})
			}
			ui.Table(c.OutOrStdout(), []string{"Service", "Kind", "Name", "Fidelity", "Inert"}, cells)
			return nil
		},
	}
}

func engineCommand() *cobra.Command {
	return &cobra.Command{
		Use: "engine", Args: cobra.NoArgs,
		Short: "Make sure that a container engine runs; as root on Debian or Ubuntu, install one where there is none",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			docker, err := engine.Ensure(c.Context(), engine.EnsureOptions{StateDir: home, Progress: c.ErrOrStderr()})
			if err != nil {
				return err
			}
			defer docker.Close()
			info, err := docker.Info(c.Context())
			if err != nil {
				return err
			}
			if asJSON(c) {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{"engine": info.Name, "version": info.Version, "host": docker.Host()})
			}
			fmt.Fprintf(c.OutOrStdout(), "%s %s at %s\n", info.Name, info.Version, docker.Host())
			return nil
		},
	}
}
