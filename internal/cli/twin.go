package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// startTwin starts the twin with this very program, as `slipway twin start` does.
func (g *Globals) startTwin(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the twin: %w", err)
	}
	if !g.silent {
		fmt.Fprintln(g.err, "Starting the twin (slipway twin start; stop it with: slipway twin stop)")
	}
	var said bytes.Buffer
	start := exec.CommandContext(ctx, self, "twin", "start")
	start.Stdout, start.Stderr = &said, &said
	if err := start.Run(); err != nil {
		return fmt.Errorf("start the twin: %w\n%s", err, strings.TrimSpace(said.String()))
	}
	return nil
}
