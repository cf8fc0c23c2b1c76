package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/ui"
)

// ErrInterrupted says that the user pressed Ctrl-C; the process ends with 130.
var ErrInterrupted = errors.New("interrupted")

// deliver runs a workflow with the manifest, the target and live progress. The first Ctrl-C stops following what goes on at the
// target, and says what that is; the second ends the process.
func (g *Globals) deliver(c *cobra.Command, workflow func(context.Context, *delivery.Project) error) error {
	ctx, stop := interruptible(c.Context())
	defer stop()
	p, err := g.project(ctx)
	if err != nil {
		return g.interrupted(ctx, err, nil)
	}
	reporter, done := g.reporter()
	p.Reporter = reporter
	err = workflow(ctx, p)
	done()
	return g.interrupted(ctx, err, p)
}

// interruptible ends with ErrInterrupted at the first signal, after which signals have their usual effect again.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			cancel(ErrInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// interrupted says what is still going on, and how it ends, where the user interrupted.
func (g *Globals) interrupted(ctx context.Context, err error, p *delivery.Project) error {
	if err == nil || !errors.Is(context.Cause(ctx), ErrInterrupted) {
		return err
	}
	var going []delivery.Event
	if p != nil {
		going = p.UnderWay()
	}
	return fmt.Errorf("%w: %s", ErrInterrupted, goingOn(going))
}

func goingOn(stacks []delivery.Event) string {
	if len(stacks) == 0 {
		return "nothing is under way; what was finished before stays, and running the command again goes on from there"
	}
	var b strings.Builder
	b.WriteString("this goes on without slipway:")
	for _, s := range stacks {
		fmt.Fprintf(&b, "\n  stack %s: %s", s.Stack, ending(s.Operation))
	}
	b.WriteString("\nLook with: slipway env list and slipway svc show. Running the command again waits for it and goes on from there.")
	return b.String()
}

// ending is how CloudFormation ends an operation by itself.
func ending(o delivery.Operation) string {
	switch o {
	case delivery.Create:
		return "is being created; it finishes, or is rolled back to nothing if a resource fails"
	case delivery.Delete:
		return "is being deleted, which finishes by itself"
	}
	return "is being updated; it finishes, or is rolled back to what it was if a resource fails"
}

// reporter shows progress as suits: objects for programs, a live view on a terminal, lines elsewhere. done is called at the end.
func (g *Globals) reporter() (r delivery.Reporter, done func()) {
	switch {
	case g.json:
		return &ui.JSON{Out: g.out}, func() {}
	case ui.IsTerminal(g.err) && !g.silent && !g.verbose:
		live, out, err := ui.NewLive(g.err), g.out, g.err
		g.out, g.err = live.Through(out), live.Through(err)
		return live, func() {
			live.Close()
			g.out, g.err = out, err
		}
	}
	return &ui.Plain{Out: g.err, Verbose: g.verbose, Silent: g.silent}, func() {}
}
