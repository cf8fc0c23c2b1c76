package logs_test

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

const group, stream = "/ecs/hello", "web/app/1"

// start runs a twin with one group and one stream.
func start(t *testing.T) (*twintest.Twin, api.Client) {
	t.Helper()
	w := twintest.Start(t)
	logs := api.Client{Invoker: w.Invoker}
	if _, err := logs.CreateLogGroup(w.Context, &api.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := logs.CreateLogStream(w.Context, &api.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	return w, logs
}

func put(t *testing.T, w *twintest.Twin, stream string, at int, messages ...string) *api.PutLogEventsOutput {
	t.Helper()
	in := &api.PutLogEventsInput{LogGroupName: group, LogStreamName: stream}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, api.InputLogEvent{Timestamp: at + i, Message: m})
	}
	out, err := api.Client{Invoker: w.Invoker}.PutLogEvents(w.Context, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func lines(events []api.OutputLogEvent) string {
	var all []string
	for _, e := range events {
		all = append(all, *e.Message)
	}
	return strings.Join(all, " ")
}

func TestTokensLeadThroughAStreamInBothDirections(t *testing.T) {
	t.Parallel()
	w, logs := start(t)
	now := int(time.Now().UnixMilli())
	put(t, w, stream, now, "1", "2", "3", "4", "5")
	get := func(token *string, head bool) *api.GetLogEventsOutput {
		out, err := logs.GetLogEvents(w.Context, &api.GetLogEventsInput{LogGroupName: new(group), LogStreamName: stream, NextToken: token, Limit: new(2), StartFromHead: &head})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	last := get(nil, false)
	if lines(last.Events) != "4 5" {
		t.Errorf("newest: %s", lines(last.Events))
	}
	if before := get(last.NextBackwardToken, false); lines(before.Events) != "2 3" {
		t.Errorf("before them: %s", lines(before.Events))
	}
	first := get(nil, true)
	second := get(first.NextForwardToken, true)
	third := get(second.NextForwardToken, true)
	end := get(third.NextForwardToken, true)
	if got := lines(first.Events) + "|" + lines(second.Events) + "|" + lines(third.Events) + "|" + lines(end.Events); got != "1 2|3 4|5|" {
		t.Errorf("forward: %s", got)
	}
	if *end.NextForwardToken != *third.NextForwardToken {
		t.Errorf("at the end the token changes: %s, %s", *third.NextForwardToken, *end.NextForwardToken)
	}
	put(t, w, stream, now+10, "6")
	if more := get(end.NextForwardToken, true); lines(more.Events) != "6" {
		t.Errorf("after the end: %s", lines(more.Events))
	}
	if back := get(end.NextBackwardToken, true); lines(back.Events) != "4 5" {
		t.Errorf("back from the end: %s", lines(back.Events))
	}
}

func TestABatchHasLimits(t *testing.T) {
	t.Parallel()
	w, logs := start(t)
	now := time.Now()
	at := func(d time.Duration) int { return int(now.Add(d).UnixMilli()) }
	for name, c := range map[string]struct {
		events []api.InputLogEvent
		want   string
	}{
		"unordered": {[]api.InputLogEvent{{Timestamp: at(0), Message: "a"}, {Timestamp: at(-time.Second), Message: "b"}}, "chronological order"},
		"long":      {[]api.InputLogEvent{{Timestamp: at(-25 * time.Hour), Message: "a"}, {Timestamp: at(0), Message: "b"}}, "24 hours"},
		"large":     {[]api.InputLogEvent{{Timestamp: at(0), Message: strings.Repeat("x", 1<<20)}}, "Upload too large"},
	} {
		_, err := logs.PutLogEvents(w.Context, &api.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: c.events})
		if !wire.HasCode(err, "InvalidParameterException") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := &api.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []api.InputLogEvent{
		{Timestamp: at(-14*24*time.Hour - time.Hour), Message: "old"}, {Timestamp: at(-14*24*time.Hour + time.Hour), Message: "kept"}}}
	out, err := logs.PutLogEvents(w.Context, in)
	if err != nil || out.RejectedLogEventsInfo == nil || *out.RejectedLogEventsInfo.TooOldLogEventEndIndex != 1 {
		t.Errorf("too old: %+v, %v", out, err)
	}
	in.LogEvents = []api.InputLogEvent{{Timestamp: at(0), Message: "kept"}, {Timestamp: at(3 * time.Hour), Message: "new"}}
	out, err = logs.PutLogEvents(w.Context, in)
	if err != nil || *out.RejectedLogEventsInfo.TooNewLogEventStartIndex != 1 {
		t.Errorf("too new: %+v, %v", out, err)
	}
	in.LogStreamName = "none"
	if _, err = logs.PutLogEvents(w.Context, in); !wire.HasCode(err, "ResourceNotFoundException") {
		t.Errorf("no stream: %v", err)
	}
	found, err := logs.FilterLogEvents(w.Context, &api.FilterLogEventsInput{LogGroupName: new(group)})
	if err != nil || len(found.Events) != 2 {
		t.Errorf("%d events, %v; want the two that were kept", len(found.Events), err)
	}
}

func TestFilterInterleavesStreamsPageByPage(t *testing.T) {
	t.Parallel()
	w, logs := start(t)
	if _, err := logs.CreateLogStream(w.Context, &api.CreateLogStreamInput{LogGroupName: group, LogStreamName: "api/app/2"}); err != nil {
		t.Fatal(err)
	}
	now := int(time.Now().UnixMilli())
	for i := range 6 {
		put(t, w, []string{stream, "api/app/2"}[i%2], now+i, fmt.Sprintf("line %d", i))
	}
	var got []string
	ids := map[string]bool{}
	in := &api.FilterLogEventsInput{LogGroupName: new(group), Limit: new(2), StartTime: &now}
	for pages := 0; ; pages++ {
		out, err := logs.FilterLogEvents(w.Context, in)
		if err != nil || pages > 3 {
			t.Fatal(err, pages)
		}
		for _, e := range out.Events {
			got, ids[*e.EventId] = append(got, *e.LogStreamName+" "+*e.Message), true
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if want := "web/app/1 line 0,api/app/2 line 1,web/app/1 line 2,api/app/2 line 3,web/app/1 line 4,api/app/2 line 5"; strings.Join(got, ",") != want || len(ids) != 6 {
		t.Errorf("got %v, %d ids", got, len(ids))
	}
	only, err := logs.FilterLogEvents(w.Context, &api.FilterLogEventsInput{LogGroupName: new(group), LogStreamNamePrefix: new("api/"), FilterPattern: new("-3")})
	if err != nil || len(only.Events) != 2 {
		t.Errorf("prefix and pattern: %+v, %v", only, err)
	}
	_, err = logs.FilterLogEvents(w.Context, &api.FilterLogEventsInput{LogGroupName: new(group), FilterPattern: new("{ $.a = }")})
	if !wire.HasCode(err, "InvalidParameterException") {
		t.Errorf("bad pattern: %v", err)
	}
	found, err := logs.DescribeLogStreams(w.Context, &api.DescribeLogStreamsInput{LogGroupName: new(group), OrderBy: new("LastEventTime"), Descending: new(true), Limit: new(1)})
	if err != nil || *found.LogStreams[0].LogStreamName != "api/app/2" || *found.LogStreams[0].LastEventTimestamp != now+5 {
		t.Errorf("newest stream: %+v, %v", found, err)
	}
}

func TestAGroupIsDescribedTaggedAndDeleted(t *testing.T) {
	t.Parallel()
	w, logs := start(t)
	now := int(time.Now().UnixMilli())
	put(t, w, stream, now, "x")
	arn := "arn:aws:logs:us-east-1:000000000000:log-group:" + group
	if _, err := logs.PutRetentionPolicy(w.Context, &api.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: 7}); err != nil {
		t.Error(err)
	}
	if _, err := logs.PutRetentionPolicy(w.Context, &api.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: 8}); !wire.HasCode(err, "InvalidParameterException") {
		t.Errorf("8 days: %v", err)
	}
	if _, err := logs.TagResource(w.Context, &api.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "b"}}); err != nil {
		t.Error(err)
	}
	tags, err := logs.ListTagsForResource(w.Context, &api.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || tags.Tags["a"] != "b" {
		t.Errorf("tags %v, %v", tags, err)
	}
	out, err := logs.DescribeLogGroups(w.Context, &api.DescribeLogGroupsInput{LogGroupNamePrefix: new("/ecs")})
	if err != nil || len(out.LogGroups) != 1 || *out.LogGroups[0].RetentionInDays != 7 || *out.LogGroups[0].Arn != arn+":*" || *out.LogGroups[0].StoredBytes != 27 {
		t.Errorf("described %+v, %v", out, err)
	}
	if _, err := logs.CreateLogGroup(w.Context, &api.CreateLogGroupInput{LogGroupName: group}); !wire.HasCode(err, "ResourceAlreadyExistsException") {
		t.Errorf("twice: %v", err)
	}
	for range 2 {
		if _, err = logs.DeleteLogGroup(w.Context, &api.DeleteLogGroupInput{LogGroupName: group}); err == nil {
			_, err = logs.CreateLogGroup(w.Context, &api.CreateLogGroupInput{LogGroupName: group})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := logs.FilterLogEvents(w.Context, &api.FilterLogEventsInput{LogGroupName: new(group)})
	if err != nil || len(found.Events) != 0 {
		t.Errorf("a group made anew has events of the old one: %+v, %v", found, err)
	}
}

func TestLiveTailSendsWhatComes(t *testing.T) {
	t.Parallel()
	w, logs := start(t)
	out, err := logs.StartLiveTail(w.Context, &api.StartLiveTailInput{LogGroupIdentifiers: []string{"arn:aws:logs:us-east-1:000000000000:log-group:" + group}, LogEventFilterPattern: new("?yes ?maybe")})
	if err != nil {
		t.Fatal(err)
	}
	enough := fmt.Errorf("enough")
	var got []string
	err = out.ResponseStream(w.Context, func(e api.StartLiveTailResponseStream) error {
		if e.SessionStart != nil {
			put(t, w, stream, int(time.Now().UnixMilli()), "yes", "no", "maybe")
			return nil
		}
		for _, r := range e.SessionUpdate.SessionResults {
			got = append(got, *r.Message)
		}
		if len(got) == 0 {
			return nil
		}
		return enough
	})
	if err != enough || strings.Join(got, " ") != "yes maybe" {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestTheCommandLineReads runs the calls that "aws logs tail --follow" makes, through the AWS CLI.
func TestTheCommandLineReads(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("needs the AWS CLI")
	}
	w, _ := start(t)
	now := int(time.Now().UnixMilli())
	put(t, w, stream, now, "GET / 200", "GET /x 404")
	aws := func(args ...string) string {
		t.Helper()
		c := exec.Command("aws", append([]string{"logs"}, args...)...)
		c.Env = append(c.Environ(), w.Env()...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("aws logs %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := aws("filter-log-events", "--log-group-name", group, "--interleaved", "--start-time", fmt.Sprint(now), "--filter-pattern", "[verb, path, status=4*]", "--query", "events[].message", "--output", "text"); got != "GET /x 404" {
		t.Errorf("filtered: %q", got)
	}
	if got := aws("get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--query", "events[].message", "--output", "text"); got != "GET / 200\tGET /x 404" {
		t.Errorf("got: %q", got)
	}
	if got := aws("describe-log-groups", "--query", "logGroups[].logGroupName", "--output", "text"); got != group {
		t.Errorf("groups: %q", got)
	}
}

// TestTheCommandLineTailsLive follows a group over the wire's event stream. It writes until the CLI has seen a line, for only the
// CLI knows when its session has begun.
func TestTheCommandLineTailsLive(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("needs the AWS CLI")
	}
	w, logs := start(t)
	c := exec.CommandContext(t.Context(), "aws", "logs", "start-live-tail", "--log-group-identifiers", "arn:aws:logs:us-east-1:000000000000:log-group:"+group)
	c.Env = append(c.Environ(), w.Env()...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string)
	go func() {
		lines := bufio.NewScanner(out)
		lines.Scan()
		seen <- lines.Text()
	}()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case line := <-seen:
			if !strings.Contains(line, "hello from here") {
				t.Errorf("the CLI shows %q", line)
			}
			if err := c.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = c.Wait() // it was killed
			return
		case now := <-again.C:
			event := api.InputLogEvent{Timestamp: int(now.UnixMilli()), Message: "hello from here"}
			if _, err := logs.PutLogEvents(w.Context, &api.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []api.InputLogEvent{event}}); err != nil {
				t.Fatal(err)
			}
		case <-t.Context().Done():
			t.Fatal("nothing came")
		}
	}
}

func BenchmarkPutLogEvents(b *testing.B) {
	w := twintest.Start(b)
	logs := api.Client{Invoker: w.Invoker}
	if _, err := logs.CreateLogGroup(w.Context, &api.CreateLogGroupInput{LogGroupName: group}); err != nil {
		b.Fatal(err)
	}
	if _, err := logs.CreateLogStream(w.Context, &api.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		b.Fatal(err)
	}
	batch := make([]api.InputLogEvent, 1000)
	now := int(time.Now().UnixMilli())
	for i := range batch {
		batch[i] = api.InputLogEvent{Timestamp: now, Message: fmt.Sprintf("a line of a usual length, number %d of many that a container writes", i)}
	}
	for b.Loop() {
		if _, err := logs.PutLogEvents(w.Context, &api.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: batch}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "lines/s")
}
