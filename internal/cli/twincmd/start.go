package twincmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/store"
)

func startCommand() *cobra.Command {
	var address string
	var foreground bool
	c := &cobra.Command{
		Use: "start", Args: cobra.NoArgs,
		Short:   "Start the twin in the background; what it ran before goes on",
		Example: "  slipway twin start\n  slipway twin start --foreground --address 127.0.0.1:4600",
		RunE: func(c *cobra.Command, _ []string) error {
			home, err := delivery.Home()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(home, 0o700); err != nil {
				return fmt.Errorf("make the twin's folder: %w", err)
			}
			if at, _, err := running(c.Context(), home); err == nil {
				if c.Flags().Changed("address") && at.Endpoint != "http://"+address {
					return fmt.Errorf("the twin runs at %s (process %d); to move it: slipway twin stop, then start it at %s", at.Endpoint, at.PID, address)
				}
				fmt.Fprintf(c.ErrOrStderr(), "The twin is running already at %s (process %d)\n", at.Endpoint, at.PID)
				return nil
			} else if !errors.Is(err, delivery.ErrNoTwin) {
				return err
			}
			region, err := c.Flags().GetString("region")
			if err != nil || region == "" {
				region = "us-east-1"
			}
			if !c.Flags().Changed("address") {
				address = lastAddress(home)
			}
			if foreground {
				return serve(c, home, address, region)
			}
			return launch(c, home, address, region)
		},
	}
	c.Flags().StringVar(&address, "address", "", "host and port to listen on; anything but the loopback lets others in (where it was last, else "+firstAddress+")")
	c.Flags().BoolVar(&foreground, "foreground", false, "run in this process, log to standard error, until Ctrl-C")
	return c
}

// serve runs the twin in this process until a signal.
func serve(c *cobra.Command, home, address, region string) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
	if err := noteIdentity(ctx, home); err != nil {
		return err
	}
	cloud, err := twin.Open(twin.Options{Dir: stateDir(home), Address: address, Region: region, Engine: engine.Find, Log: log})
	if err != nil {
		return err
	}
	connection := delivery.Connection{Endpoint: "http://" + cloud.Address(), Region: region, Account: twin.Account, PID: os.Getpid()}
	connection.AccessKeyID, connection.SecretAccessKey = cloud.RootKey()
	if err := connection.Write(home); err != nil {
		return err
	}
	if err := os.WriteFile(addressFile(home), []byte(cloud.Address()+"\n"), 0o600); err != nil {
		return err
	}
	log.Info("the twin runs", "endpoint", connection.Endpoint, "state", stateDir(home))
	err = cloud.Run(ctx)
	log.Info("the twin has stopped")
	return errors.Join(err, connection.Remove(home))
}

// firstAddress is where a twin listens that nobody has put elsewhere.
const firstAddress = "127.0.0.1:4566"

func addressFile(home string) string { return filepath.Join(home, "twin.address") }

// lastAddress is where this home's twin was: stacks hold addresses of images there.
func lastAddress(home string) string {
	last, err := os.ReadFile(addressFile(home))
	if err != nil {
		return firstAddress
	}
	return cmp.Or(strings.TrimSpace(string(last)), firstAddress)
}

func identityFile(home string) string { return filepath.Join(home, "twin.id") }

// noteIdentity keeps the twin's id beside its state, so that its containers are found even where the state cannot be read.
func noteIdentity(ctx context.Context, home string) error {
	if _, err := os.Stat(identityFile(home)); err == nil {
		return nil
	}
	state, err := store.Open(stateDir(home), network.Tables...)
	if err != nil {
		return err
	}
	id, err := network.Identity(ctx, state)
	if err := errors.Join(err, state.Close()); err != nil {
		return err
	}
	return os.WriteFile(identityFile(home), []byte(id+"\n"), 0o600)
}

// launch starts this program again as the twin, apart from this terminal, and waits until it answers.
func launch(c *cobra.Command, home, address, region string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := openLog(logFile(home))
	if err != nil {
		return err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	child := exec.Command(self, "twin", "start", "--foreground", "--address", address, "--region", region)
	child.Env = append(os.Environ(), "SLIPWAY_HOME="+home)
	child.Dir = home
	child.Stdout, child.Stderr = log, log
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the twin: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	return awaitAnswer(c, home, ended, from)
}

// maxLog is how long the twin's log gets, in bytes, before the next start begins a new one.
const maxLog = 10 << 20

// openLog opens the log to append to; one that is too long becomes twin.log.1, whose own predecessor is dropped.
func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("put the twin's log aside: %w", err)
		}
	}
	return os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
}

// startLimit is how long a twin may take to answer, with much state on a slow disk.
const startLimit = 60 * time.Second

func awaitAnswer(c *cobra.Command, home string, ended <-chan error, from int64) error {
	limit := time.After(startLimit)
	for {
		if at, _, err := running(c.Context(), home); err == nil {
			fmt.Fprintf(c.ErrOrStderr(), "The twin runs at %s (process %d, files in %s)\n", at.Endpoint, at.PID, home)
			return nil
		}
		select {
		case exit := <-ended:
			if at, _, err := running(c.Context(), home); err == nil {
				fmt.Fprintf(c.ErrOrStderr(), "The twin was started by somebody else, at %s\n", at.Endpoint)
				return nil
			}
			return fmt.Errorf("the twin did not start (%w):\n%s", cmp.Or(exit, errors.New("it ended")), tailOf(logFile(home), from))
		case <-limit:
			return fmt.Errorf("the twin does not answer after %s; its log is %s", startLimit, logFile(home))
		case <-c.Context().Done():
			return context.Cause(c.Context())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tailOf is what the log got since a place in it.
func tailOf(path string, from int64) string {
	text, err := os.ReadFile(path)
	if err != nil || int64(len(text)) < from {
		return "its log cannot be read: " + path
	}
	said := strings.TrimSpace(string(text[from:]))
	if said == "" {
		return "it said nothing"
	}
	return strings.TrimPrefix(said, "Error: ")
}
