package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Exec runs a command in a running container and returns its exit code when it has ended. A command that cannot be
// started has exit code 126 or 127, as in a shell, and the reason on its output. A container that does not run is
// ErrConflict. The end of ctx breaks the connection; the engine leaves the command running, as its API has no way to
// kill it.
func (e *Engine) Exec(ctx context.Context, id string, command Exec) (exitCode int, err error) {
	exec, err := e.api.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: command.Command, Env: command.Env, User: command.User, WorkingDir: command.WorkingDir,
		TTY: command.TTY, AttachStdin: command.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, failure("run a command in container", id, err)
	}
	if err := e.attach(ctx, exec.ID, command); err != nil {
		return 0, failure("run a command in container", id, err)
	}
	result, err := e.api.ExecInspect(ctx, exec.ID, client.ExecInspectOptions{})
	if err != nil {
		return 0, failure("run a command in container", id, err)
	}
	if result.Running {
		return 0, failure("run a command in container", id, io.ErrUnexpectedEOF)
	}
	return result.ExitCode, nil
}

// attach starts the command and passes its streams on until its output ends.
func (e *Engine) attach(ctx context.Context, execID string, command Exec) error {
	size := client.ConsoleSize{}
	if command.TTY && e.takesConsoleSize() {
		size = client.ConsoleSize{Height: command.Size.Rows, Width: command.Size.Columns}
	}
	connection, err := e.api.ExecAttach(ctx, execID, client.ExecAttachOptions{TTY: command.TTY, ConsoleSize: size})
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, connection.Close)
	defer stop()

	if command.Stdin != nil {
		go sendInput(command.Stdin, connection)
	}
	if command.TTY {
		go e.resize(ctx, execID, command)
	}
	err = copyOutput(connection.Reader, command)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// sendInput feeds the command. Nobody waits for it: reading a terminal cannot be broken off, and a command may well end
// without having read its input.
func sendInput(from io.Reader, connection client.ExecAttachResult) {
	_, _ = io.Copy(connection.Conn, from) // a command that ended early breaks the pipe; its exit code tells
	_ = connection.CloseWrite()
}

func copyOutput(from io.Reader, command Exec) error {
	stdout, stderr := orDiscard(command.Stdout), orDiscard(command.Stderr)
	if command.TTY {
		_, err := io.Copy(stdout, from)
		return err
	}
	_, err := stdcopy.StdCopy(stdout, stderr, from)
	return err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// resize follows the terminal. The first size goes this way, too, for engines that do not take it at the start; a
// command that ends before a resize reaches it is no fault.
func (e *Engine) resize(ctx context.Context, execID string, command Exec) {
	size, open := command.Size, true
	for open {
		if size != (WindowSize{}) {
			_, _ = e.api.ExecResize(ctx, execID, client.ExecResizeOptions{Height: size.Rows, Width: size.Columns})
		}
		select {
		case size, open = <-command.Resize:
		case <-ctx.Done():
			return
		}
	}
}

// takesConsoleSize says whether the engine knows the initial size of a terminal, new in API 1.42.
func (e *Engine) takesConsoleSize() bool {
	var major, minor int
	if _, err := fmt.Sscanf(e.api.ClientVersion(), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 1 || minor >= 42
}
