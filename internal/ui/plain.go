// Package ui is what a person, or a program, sees of a delivery: live blocks on a terminal, plain lines elsewhere, JSON for
// machines; tables and questions.
package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"slipway.dev/internal/delivery"
)

// Plain writes progress as lines, for files, pipes and logs of builds.
type Plain struct {
	Out     io.Writer
	Verbose bool // every event of every stack, not only its beginning and end
	Silent  bool // warnings and failures only

	lock sync.Mutex
}

// Report writes a line, or none where the event is not for this level of detail.
func (p *Plain) Report(e delivery.Event) {
	text := line(e)
	if text == "" || p.Silent && !isTrouble(e) || e.Kind == delivery.EventStackEvent && !p.Verbose && !isTrouble(e) {
		return
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	fmt.Fprintln(p.Out, text)
}

func isTrouble(e delivery.Event) bool {
	return e.Kind == delivery.EventWarning || e.Outcome == delivery.Failed || strings.HasSuffix(e.Status, "_FAILED")
}

// line is an event as a line of text; results of stacks are worded as mu's.
func line(e delivery.Event) string {
	switch e.Kind {
	case delivery.EventStep:
		return e.Text
	case delivery.EventWarning:
		return "Warning: " + e.Text
	case delivery.EventOutput:
		return "    " + e.Text
	case delivery.EventStackWaiting:
		return fmt.Sprintf("  Waiting for stack '%s': held by %s", e.Stack, e.Text)
	case delivery.EventStackStarted:
		return fmt.Sprintf("  %s stack '%s' (%s)", doing(e.Operation), e.Stack, count(e.Total))
	case delivery.EventStackEvent:
		text := fmt.Sprintf("    %s %s %s", e.Stack, e.Resource, e.Status)
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		return text
	case delivery.EventStackFinished:
		return "  " + finished(e)
	}
	return ""
}

func doing(o delivery.Operation) string {
	switch o {
	case delivery.Create:
		return "Creating"
	case delivery.Delete:
		return "Deleting"
	}
	return "Updating"
}

func count(n int) string {
	if n == 1 {
		return "1 resource"
	}
	return fmt.Sprintf("%d resources", n)
}

// finished is what became of a stack, in mu's words.
func finished(e delivery.Event) string {
	var text string
	switch e.Outcome {
	case delivery.Unchanged:
		return fmt.Sprintf("No changes for stack '%s'", e.Stack)
	case delivery.Created:
		text = fmt.Sprintf("Created stack '%s'", e.Stack)
	case delivery.Updated:
		text = fmt.Sprintf("Updated stack '%s'", e.Stack)
	case delivery.Deleted:
		text = fmt.Sprintf("Deleted stack '%s'", e.Stack)
	default:
		text = fmt.Sprintf("Failed stack '%s': %s", e.Stack, e.Status)
	}
	return text + " in " + duration(e.Elapsed)
}

// duration is short: 0.4s, 12s, 3m05s.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
