package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Connection says how to reach the twin of this user. The twin writes it when it starts, as the file twin.json of its home.
type Connection struct {
	Endpoint        string `json:"endpoint"` // "http://127.0.0.1:4566"
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	Region          string `json:"region"`
	Account         string `json:"account"`
	PID             int    `json:"pid"`
}

// ErrNoTwin says that no twin runs for a home.
var ErrNoTwin = errors.New("the twin is not running")

// Home is the folder of the twin's files: $SLIPWAY_HOME, else ~/.slipway.
func Home() (string, error) {
	if home := os.Getenv("SLIPWAY_HOME"); home != "" {
		return filepath.Abs(home)
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("set SLIPWAY_HOME to a folder for the twin: %w", err)
	}
	return filepath.Join(user, ".slipway"), nil
}

func connectionFile(home string) string { return filepath.Join(home, "twin.json") }

// ReadConnection reads how to reach the twin. The error wraps ErrNoTwin when there is no file, or when the process that wrote it
// has ended without removing it.
func ReadConnection(home string) (Connection, error) {
	var c Connection
	text, err := os.ReadFile(connectionFile(home))
	if errors.Is(err, fs.ErrNotExist) {
		return c, ErrNoTwin
	}
	if err != nil {
		return c, fmt.Errorf("read how to reach the twin: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s is damaged: %w; stop the twin, remove the file and start the twin again", connectionFile(home), err)
	}
	if !alive(c.PID) {
		return c, fmt.Errorf("%w: process %d ended without cleaning up", ErrNoTwin, c.PID)
	}
	return c, nil
}

// Write puts the file in place in one step, readable by its owner only.
func (c Connection) Write(home string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(home, "twin.json.*")
	if err != nil {
		return err
	}
	_, err = draft.Write(append(text, '\n'))
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), connectionFile(home))
	}
	if err != nil {
		os.Remove(draft.Name())
		return fmt.Errorf("write how to reach the twin: %w", err)
	}
	return nil
}

// Remove takes the file away if it is still this connection's.
func (c Connection) Remove(home string) error {
	there, err := ReadConnection(home)
	if err != nil || there.PID != c.PID {
		return nil
	}
	return os.Remove(connectionFile(home))
}

// alive asks whether a process exists. A process of another user does, too.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
