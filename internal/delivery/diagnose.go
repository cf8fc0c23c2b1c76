package delivery

import (
	"fmt"
	"strings"
	"time"
)

// Diagnosis is why the tasks of a deployment failed.
type Diagnosis struct {
	Tasks    []TaskFailure // oldest first
	Health   string        // path of the health check
	Port     int           // of the container
	Answer   string        // what the load balancer says of the health check; empty when it passed
	Messages []string      // what ECS complained of
}

// TaskFailure is a task that stopped when nobody asked it to.
type TaskFailure struct {
	ID        string
	Container string
	ExitCode  *int   // nil where the container did not run
	Reason    string // ECS's reason of the task
	Detail    string // ECS's reason of the container
	Unhealthy bool   // it was stopped because of a health check
	Log       []string
	StoppedAt time.Time
}

// headline is the failure in a line.
func (f TaskFailure) headline() string {
	switch {
	case f.Unhealthy:
		return f.Reason
	case f.Detail != "" && f.ExitCode != nil:
		return fmt.Sprintf("container %s exited with code %d (%s)", f.Container, *f.ExitCode, f.Detail)
	case f.Detail != "":
		return f.Detail
	case f.ExitCode != nil:
		return fmt.Sprintf("container %s exited with code %d", f.Container, *f.ExitCode)
	}
	return f.Reason
}

// String is the reason a person needs, with the evidence: empty when there is nothing to tell.
func (d Diagnosis) String() string {
	switch {
	case len(d.Tasks) > 0:
		return d.ofTask(d.telling())
	case d.Answer != "":
		return d.ofHealth()
	case len(d.Messages) > 0:
		return "ECS says: " + d.Messages[len(d.Messages)-1]
	}
	return ""
}

// telling is the newest failure; one that exited by itself tells more than one that was stopped.
func (d Diagnosis) telling() TaskFailure {
	best := d.Tasks[len(d.Tasks)-1]
	for _, f := range d.Tasks {
		if !f.Unhealthy && len(f.Log) > 0 {
			best = f
		}
	}
	return best
}

// headline is a failure in a line, with what the health check says where that was the reason.
func (d Diagnosis) headline(f TaskFailure) string {
	if f.Unhealthy {
		return d.ofHealth()
	}
	return f.headline()
}

func (d Diagnosis) ofTask(f TaskFailure) string {
	var b strings.Builder
	b.WriteString(d.headline(f))
	switch {
	case len(f.Log) > 0:
		fmt.Fprintf(&b, "\nlast lines of container %s in task %s:", f.Container, f.ID)
		for _, line := range f.Log {
			b.WriteString("\n  " + line)
		}
	case f.ExitCode != nil:
		fmt.Fprintf(&b, "\ncontainer %s in task %s wrote nothing", f.Container, f.ID)
	}
	return b.String()
}

// ofHealth says what the health check asked and what it got.
func (d Diagnosis) ofHealth() string {
	answer := d.Answer
	if answer == "" {
		answer = "the load balancer had it stopped"
	}
	return fmt.Sprintf("the health check of GET %s on port %d fails: %s", d.Health, d.Port, answer)
}

// DeployError is a service that could not be deployed.
type DeployError struct {
	Stack     *StackError
	Diagnosis Diagnosis
}

// Error is what failed and, at the end, why.
func (e *DeployError) Error() string {
	if why := e.Diagnosis.String(); why != "" {
		return e.Stack.Error() + "\n" + why
	}
	return e.Stack.Error()
}

// Unwrap gives the stack's error.
func (e *DeployError) Unwrap() error { return e.Stack }
