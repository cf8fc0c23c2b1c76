package ui

import (
	"encoding/json"
	"io"
	"sync"

	"slipway.dev/internal/delivery"
)

// JSON writes progress as one JSON object a line.
type JSON struct {
	Out  io.Writer
	lock sync.Mutex
}

// Report writes the event.
func (j *JSON) Report(e delivery.Event) { j.Write(e) }

// Write writes any value as a line. What cannot be written as JSON is a mistake of the program; the line says so.
func (j *JSON) Write(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text, _ = json.Marshal(map[string]string{"event": "error", "text": err.Error()})
	}
	j.lock.Lock()
	defer j.lock.Unlock()
	j.Out.Write(append(text, '\n'))
}
