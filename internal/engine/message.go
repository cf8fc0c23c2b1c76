package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// message is one line of what an engine tells while it pulls, pushes, builds or loads.
type message struct {
	Stream         string          `json:"stream"`
	Status         string          `json:"status"`
	ID             string          `json:"id"`
	ProgressDetail json.RawMessage `json:"progressDetail"`
	Error          string          `json:"error"`
	ErrorDetail    *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errorDetail"`
	Aux json.RawMessage `json:"aux"`
}

// messageError is a message that says the operation failed.
type messageError struct {
	code int // exit code of a build step, or 0
	text string
}

func (e *messageError) Error() string { return e.text }

func (m message) failed() error {
	switch {
	case m.ErrorDetail != nil && m.ErrorDetail.Message != "":
		return &messageError{code: m.ErrorDetail.Code, text: m.ErrorDetail.Message}
	case m.Error != "":
		return &messageError{text: m.Error}
	}
	return nil
}

// readMessages reads an engine's messages to their end, shows them and hands each on. A message of failure ends it.
func readMessages(from io.Reader, progress io.Writer, each func(message)) error {
	decoder := json.NewDecoder(from)
	for {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the engine's messages: %w", err)
		}
		m.Stream = colour.ReplaceAllString(m.Stream, "")
		if err := m.failed(); err != nil {
			return err
		}
		if progress != nil {
			if _, err := io.WriteString(progress, m.line()); err != nil {
				return fmt.Errorf("show progress: %w", err)
			}
		}
		if each != nil {
			each(m)
		}
	}
}

// colour is what the classic builder paints standard error with, terminal or not.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// line is the message for people; the hundreds that move a progress bar have none.
func (m message) line() string {
	switch {
	case m.Stream != "":
		return m.Stream
	case m.Status == "" || len(m.ProgressDetail) > len("{}"):
		return ""
	case m.ID != "":
		return m.ID + ": " + m.Status + "\n"
	}
	return m.Status + "\n"
}

var digestInStatus = regexp.MustCompile(`digest: (sha256:[0-9a-f]{64})`)

// digest of a push: an extra of Docker's, part of the text of older Podmans'.
func (m message) digest() string {
	var aux struct{ Digest string }
	if len(m.Aux) > 0 && json.Unmarshal(m.Aux, &aux) == nil && aux.Digest != "" {
		return aux.Digest
	}
	if match := digestInStatus.FindStringSubmatch(m.Status); match != nil {
		return match[1]
	}
	return ""
}

// imageID of a build: an extra of Docker's, the last line of older Podmans'.
func (m message) imageID() string {
	var aux struct{ ID string }
	if len(m.Aux) > 0 && json.Unmarshal(m.Aux, &aux) == nil && aux.ID != "" {
		return aux.ID
	}
	if id, ok := strings.CutPrefix(strings.TrimSpace(m.Stream), "Successfully built "); ok {
		return id
	}
	return ""
}
