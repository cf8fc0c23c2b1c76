package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"slipway.dev/internal/delivery"
)

// deployment is what one stack that comes up and one that fails tell.
func deployment() []delivery.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []delivery.Event{
		{Time: at, Kind: delivery.EventStep, Text: "Building image x"},
		{Time: at, Kind: delivery.EventOutput, Text: "Step 1/1 : FROM scratch"},
		{Time: at, Kind: delivery.EventStackFinished, Stack: "n-vpc-dev", Outcome: delivery.Unchanged},
		{Time: at, Kind: delivery.EventStackStarted, Stack: "n-service-web-dev", Operation: delivery.Update, Total: 2},
		{Time: at, Kind: delivery.EventStackEvent, Stack: "n-service-web-dev", Resource: "Task", Status: "CREATE_COMPLETE", Done: 1, Total: 2},
		{Time: at, Kind: delivery.EventStackEvent, Stack: "n-service-web-dev", Resource: "Service", Status: "UPDATE_FAILED", Reason: "crash", Done: 1, Total: 2},
		{Time: at, Kind: delivery.EventStackFinished, Stack: "n-service-web-dev", Status: "UPDATE_ROLLBACK_COMPLETE", Outcome: delivery.Failed, Elapsed: 65 * time.Second},
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		silent bool
		want   string
	}{
		"usual": {false, `Building image x
    Step 1/1 : FROM scratch
  No changes for stack 'n-vpc-dev'
  Updating stack 'n-service-web-dev' (2 resources)
    n-service-web-dev Service UPDATE_FAILED: crash
  Failed stack 'n-service-web-dev': UPDATE_ROLLBACK_COMPLETE in 1m05s
`},
		"silent": {true, `    n-service-web-dev Service UPDATE_FAILED: crash
  Failed stack 'n-service-web-dev': UPDATE_ROLLBACK_COMPLETE in 1m05s
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			p := Plain{Out: &out, Silent: test.silent}
			for _, e := range deployment() {
				p.Report(e)
			}
			if out.String() != test.want {
				t.Errorf("%s\nwant\n%s", out.String(), test.want)
			}
		})
	}
	var verbose bytes.Buffer
	p := Plain{Out: &verbose, Verbose: true}
	for _, e := range deployment() {
		p.Report(e)
	}
	if !strings.Contains(verbose.String(), "Task CREATE_COMPLETE") {
		t.Errorf("verbose: %s", verbose.String())
	}
}

func TestJSONIsOneObjectALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	j := JSON{Out: &out}
	for _, e := range deployment() {
		j.Report(e)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(deployment()) {
		t.Fatalf("%d lines", len(lines))
	}
	var last map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last["event"] != "stack-finished" || last["outcome"] != "failed" || last["seconds"] != 65.0 {
		t.Errorf("%v", last)
	}
}

// screen plays what Live writes on a terminal of so many columns and returns the lines that are left.
func screen(text string) []string {
	var rows []string
	row := 0
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			rows = rows[:min(row, len(rows))]
			text = text[3:]
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexByte(text, 'A')
			up := 0
			for _, digit := range text[2:end] {
				up = up*10 + int(digit-'0')
			}
			row -= up
			text = text[end+1:]
		case text[0] == '\n':
			row++
			text = text[1:]
		case text[0] == '\r':
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\n\r\x1b")
			if end < 0 {
				end = len(text)
			}
			for len(rows) <= row {
				rows = append(rows, "")
			}
			rows[row] += text[:end]
			text = text[end:]
		}
	}
	return rows
}

// TestLive shows the view halfway, and what is left of it at the end.
func TestLive(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := &Live{out: &out, width: func() int { return 60 }, ticker: time.NewTicker(time.Hour), closed: make(chan struct{})}
	l.wait.Go(l.tick)
	events := deployment()
	for i := range events {
		events[i].Time = time.Now()
	}
	for _, e := range events[:5] {
		l.Report(e)
	}
	halfway := screen(out.String())
	want := []string{"Building image x", "  No changes for stack 'n-vpc-dev'", "  Updating n-service-web-dev  1/2  0.0s  Task CREATE_COMPL…", "    Step 1/1 : FROM scratch"}
	for i, line := range want {
		if i >= len(halfway) || halfway[i] != line {
			t.Fatalf("halfway %q, want %q", halfway, want)
		}
	}
	for _, e := range events[5:] {
		l.Report(e)
	}
	l.Close()
	end := screen(out.String())
	want = []string{"Building image x", "  No changes for stack 'n-vpc-dev'", "    n-service-web-dev Service UPDATE_FAILED: crash", "  Failed stack 'n-service-web-dev': UPDATE_ROLLBACK_COMPLETE in 1m05s"}
	if strings.Join(end, "\n") != strings.Join(want, "\n") {
		t.Errorf("at the end %q, want %q", end, want)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	Table(&out, []string{"Name", "Last Update"}, [][]string{{"größe", "now"}, {"a", ""}})
	if want := "NAME   LAST UPDATE\ngröße  now\na\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "yes": true, "n\n": false, "\n": false, "": false, "maybe\n": false} {
		var out bytes.Buffer
		if got, err := Confirm(strings.NewReader(answer), &out, "Delete x?"); got != want || err != nil || out.String() != "Delete x? [y/N] " {
			t.Errorf("%q: %v, %v, asked %q", answer, got, err, out.String())
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := Confirm(file, &bytes.Buffer{}, "Delete x?"); !errors.Is(err, ErrNobodyToAsk) {
		t.Errorf("without a terminal: %v", err)
	}
}

// What a command prints itself stays on the screen, whatever is redrawn around it.
func TestLiveKeepsWhatIsWrittenThroughIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := &Live{out: &out, width: func() int { return 60 }, ticker: time.NewTicker(time.Hour), closed: make(chan struct{})}
	l.wait.Go(l.tick)
	l.Report(delivery.Event{Kind: delivery.EventOutput, Text: "digest: sha256:1"})
	through := l.Through(&out)
	fmt.Fprintln(through, "Up: service web")
	fmt.Fprint(through, "http://web")
	l.Report(delivery.Event{Kind: delivery.EventOutput, Text: "digest: sha256:2"})
	fmt.Fprintln(through, ".elb.localhost/")
	l.Close()
	want := []string{"Up: service web", "http://web.elb.localhost/"}
	if got := screen(out.String()); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("screen %q, want %q", got, want)
	}
}
