package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"slipway.dev/internal/blueprint"
)

// LogOptions say which lines are wanted.
type LogOptions struct {
	Since  time.Duration // back from now
	Follow bool          // go on until the context ends
	Filter []string      // a CloudWatch Logs filter pattern, in words
}

// LogLine is a line of a log.
type LogLine struct {
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
}

// ServiceLogs gives the lines a service's containers wrote; the service is the file's where none is named.
func (p *Project) ServiceLogs(ctx context.Context, env, service string, o LogOptions, take func(LogLine)) error {
	env, service, err := p.deployed(env, service)
	if err != nil {
		return err
	}
	return p.logs(ctx, p.name(blueprint.KindService, service, env), o, take)
}

// EnvironmentLogs gives the lines of an environment's own log group.
func (p *Project) EnvironmentLogs(ctx context.Context, env string, o LogOptions, take func(LogLine)) error {
	return p.logs(ctx, p.cluster(p.spelling(env)), o, take)
}

func (p *Project) logs(ctx context.Context, group string, o LogOptions, take func(LogLine)) error {
	tail := logTail{project: p, group: group, filter: strings.Join(o.Filter, " "), from: time.Now().Add(-o.Since), seen: map[string]time.Time{}}
	for pace := p.pace(); ; {
		fresh, err := tail.read(ctx, take)
		if err != nil || !o.Follow {
			return err
		}
		if fresh {
			pace = p.pace()
		}
		if err := pace.wait(ctx); err != nil {
			return nil // following ends when the user says so
		}
	}
}

// logTail reads a log group from a point in time, each line once.
type logTail struct {
	project *Project
	group   string
	stream  string // empty is all
	filter  string
	from    time.Time
	seen    map[string]time.Time // ids of events since from
}

// late is how much later than its neighbours an event may arrive.
const late = 10 * time.Second

func (t *logTail) read(ctx context.Context, take func(LogLine)) (fresh bool, err error) {
	input := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &t.group, StartTime: aws.Int64(t.from.UnixMilli())}
	if t.filter != "" {
		input.FilterPattern = &t.filter
	}
	if t.stream != "" {
		input.LogStreamNames = []string{t.stream}
	}
	newest := t.from
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.project.Target.Clients.Logs, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var missing *logstypes.ResourceNotFoundException
		if errors.As(err, &missing) && t.stream == "" {
			return false, fmt.Errorf("there is no log group %s: is it deployed?", t.group)
		}
		if errors.As(err, &missing) {
			return false, nil // nothing written yet
		}
		if err != nil {
			return false, fmt.Errorf("read log group %s: %w", t.group, err)
		}
		for _, e := range page.Events {
			at := time.UnixMilli(aws.ToInt64(e.Timestamp))
			if _, again := t.seen[aws.ToString(e.EventId)]; again {
				continue
			}
			t.seen[aws.ToString(e.EventId)], fresh = at, true
			take(LogLine{at, aws.ToString(e.LogStreamName), strings.TrimRight(aws.ToString(e.Message), "\r\n")})
			if at.After(newest) {
				newest = at
			}
		}
	}
	t.forget(newest.Add(-late))
	return fresh, nil
}

// forget moves the beginning on, leaving room for events that arrive late.
func (t *logTail) forget(before time.Time) {
	if !before.After(t.from) {
		return
	}
	t.from = before
	for id, at := range t.seen {
		if at.Before(before) {
			delete(t.seen, id)
		}
	}
}
