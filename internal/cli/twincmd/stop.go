package twincmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/ui"
)

func stopCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stop", Args: cobra.NoArgs,
		Short: "Stop the twin; its state stays, and so do the containers, which the next start adopts",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			stopped, err := stop(c.Context(), home)
			if err != nil {
				return err
			}
			if !stopped {
				fmt.Fprintln(c.ErrOrStderr(), "The twin is not running")
				return nil
			}
			fmt.Fprintln(c.ErrOrStderr(), "The twin has stopped.", stillRunning(c.Context(), home))
			return nil
		},
	}
}

// stop asks the twin's process to end and waits until it has.
func stop(ctx context.Context, home string) (stopped bool, err error) {
	at, _, err := running(ctx, home)
	if errors.Is(err, delivery.ErrNoTwin) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := syscall.Kill(at.PID, syscall.SIGTERM); err != nil {
		return false, fmt.Errorf("stop process %d: %w", at.PID, err)
	}
	limit := time.After(30 * time.Second)
	for {
		if _, err := delivery.ReadConnection(home); errors.Is(err, delivery.ErrNoTwin) && syscall.Kill(at.PID, 0) != nil {
			return true, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			return false, fmt.Errorf("process %d does not end; its log is %s", at.PID, logFile(home))
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// stillRunning says what the twin leaves behind.
func stillRunning(ctx context.Context, home string) string {
	docker, label, err := containersOf(ctx, home)
	if err != nil {
		return ""
	}
	defer docker.Close()
	all, err := docker.List(ctx, label)
	count := 0
	for _, c := range all {
		if c.Status == engine.StatusRunning {
			count++
		}
	}
	switch {
	case err != nil:
		return "Whether containers still run is not known: " + err.Error()
	case count == 0:
		return "No container of it runs."
	}
	return fmt.Sprintf("%d of its containers go on running, unreachable through load balancers until the next start; slipway twin reset removes them.", count)
}

// containersOf gives the engine, and the label that is on everything of this home's twin.
func containersOf(ctx context.Context, home string) (*engine.Engine, map[string]string, error) {
	id, err := os.ReadFile(identityFile(home))
	if err != nil {
		return nil, nil, err
	}
	docker, err := engine.Find(ctx)
	return docker, map[string]string{network.Label: strings.TrimSpace(string(id))}, err
}

func resetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset", Args: cobra.NoArgs,
		Short: "Stop the twin and delete all it holds: state, containers, networks, volumes",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			if err := mayReset(c, home); err != nil {
				return err
			}
			if _, err := stop(c.Context(), home); err != nil {
				return err
			}
			if err := removeContainers(c.Context(), home); err != nil {
				return err
			}
			if err := errors.Join(os.RemoveAll(stateDir(home)), os.RemoveAll(identityFile(home)), os.RemoveAll(addressFile(home)), os.RemoveAll(filepath.Join(home, "twin.json"))); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "The twin is empty. The next command that needs it starts it anew.")
			return nil
		},
	}
}

func mayReset(c *cobra.Command, home string) error {
	if yes, err := c.Flags().GetBool("yes"); err == nil && yes {
		return nil
	}
	yes, err := ui.Confirm(c.InOrStdin(), c.ErrOrStderr(), "This deletes the folder "+stateDir(home)+" with every stack, image, log and object in it, and the twin's containers, networks and volumes. Delete?")
	if err == nil && !yes {
		return delivery.ErrDeclined
	}
	return err
}

// removeContainers deletes what the twin made on the engine. A twin that never ran has made nothing.
func removeContainers(ctx context.Context, home string) error {
	docker, label, err := containersOf(ctx, home)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the twin's containers cannot be removed, so its state is kept: %w", err)
	}
	defer docker.Close()
	return network.Purge(ctx, docker, label[network.Label])
}
