package delivery

import (
	"encoding/json"
	"time"
)

// EventKind says what an Event tells.
type EventKind string

// The kinds of Event.
const (
	EventStep          EventKind = "step"           // Text says what begins
	EventOutput        EventKind = "output"         // Text is a line of a program's output
	EventWarning       EventKind = "warning"        // Text is worth a look
	EventStackWaiting  EventKind = "stack-waiting"  // somebody else's operation holds the stack; Text says whose
	EventStackStarted  EventKind = "stack-started"  // Operation begins; Total resources change
	EventStackEvent    EventKind = "stack-event"    // one resource of the stack has a new status
	EventStackFinished EventKind = "stack-finished" // Outcome, or Reason when it failed
)

// Operation is what is done to a stack.
type Operation string

// The operations on stacks.
const (
	Create Operation = "create"
	Update Operation = "update"
	Delete Operation = "delete"
)

// Outcome is what came of a stack.
type Outcome string

// The outcomes of stacks.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Deleted   Outcome = "deleted"
	Failed    Outcome = "failed"
)

// Event is a piece of progress. As JSON it is what --json prints, one object a line.
type Event struct {
	Time      time.Time     `json:"time"`
	Kind      EventKind     `json:"event"`
	Text      string        `json:"text,omitempty"`
	Stack     string        `json:"stack,omitempty"`
	Operation Operation     `json:"operation,omitempty"`
	Resource  string        `json:"resource,omitempty"` // logical id
	Type      string        `json:"type,omitempty"`
	Status    string        `json:"status,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Done      int           `json:"done,omitempty"` // resources that are as wanted
	Total     int           `json:"total,omitempty"`
	Outcome   Outcome       `json:"outcome,omitempty"`
	Elapsed   time.Duration `json:"-"` // of the stack's operation
}

// MarshalJSON gives Elapsed in seconds.
func (e Event) MarshalJSON() ([]byte, error) {
	type plain Event
	return json.Marshal(struct {
		plain
		Seconds float64 `json:"seconds,omitempty"`
	}{plain(e), e.Elapsed.Round(time.Millisecond).Seconds()})
}

// Reporter takes the progress of a delivery. It is called from several goroutines.
type Reporter interface{ Report(Event) }

// ReporterFunc is a function that is a Reporter.
type ReporterFunc func(Event)

// Report calls the function.
func (f ReporterFunc) Report(e Event) { f(e) }

func (p *Project) report(e Event) {
	if p.Reporter == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	p.Reporter.Report(e)
}

func (p *Project) step(text string) { p.report(Event{Kind: EventStep, Text: text}) }

func (p *Project) warn(text string) { p.report(Event{Kind: EventWarning, Text: text}) }
