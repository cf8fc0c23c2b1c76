package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"slipway.dev/internal/delivery"
)

// Live shows progress on a terminal: what is finished scrolls up, and below it each stack under way has a block of one line that is
// redrawn in place: resources, time and the latest event.
type Live struct {
	out    io.Writer
	colour bool
	width  func() int

	lock   sync.Mutex
	blocks []*block
	tail   string // the last line of a program's output
	drawn  int    // lines on the screen that are redrawn
	inLine bool   // something else has begun a line and not ended it: nothing is drawn until it has
	ticker *time.Ticker
	closed chan struct{}
	wait   sync.WaitGroup
}

// block is a stack under way.
type block struct {
	stack     string
	operation delivery.Operation
	begun     time.Time
	done      int
	total     int
	latest    string
	failed    bool
}

// NewLive begins a live view on a terminal. Close ends it.
func NewLive(out io.Writer) *Live {
	l := &Live{out: out, colour: Colour(out), width: func() int { return terminalWidth(out) }, ticker: time.NewTicker(200 * time.Millisecond), closed: make(chan struct{})}
	l.wait.Go(l.tick)
	return l
}

func terminalWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// tick keeps the elapsed times going.
func (l *Live) tick() {
	for {
		select {
		case <-l.ticker.C:
			l.lock.Lock()
			l.redraw("")
			l.lock.Unlock()
		case <-l.closed:
			return
		}
	}
}

// Close ends the view. Blocks of stacks that are still under way are left on the screen as they are.
func (l *Live) Close() {
	l.ticker.Stop()
	close(l.closed)
	l.wait.Wait()
	l.lock.Lock()
	defer l.lock.Unlock()
	l.tail = ""
	l.redraw("")
	l.blocks, l.drawn = nil, 0
}

// Report takes an event.
func (l *Live) Report(e delivery.Event) {
	l.lock.Lock()
	defer l.lock.Unlock()
	switch e.Kind {
	case delivery.EventStackStarted:
		l.blocks = append(l.blocks, &block{stack: e.Stack, operation: e.Operation, begun: e.Time, total: e.Total})
		l.redraw("")
	case delivery.EventStackEvent:
		l.redraw(l.event(e))
	case delivery.EventStackFinished:
		l.drop(e.Stack)
		l.redraw(l.paint(e) + "\n")
	case delivery.EventOutput:
		l.tail = e.Text
		l.redraw("")
	default:
		l.tail = ""
		l.redraw(l.paint(e) + "\n")
	}
}

// Through returns a writer to the terminal that keeps out of the blocks' way: what is written scrolls up above them.
func (l *Live) Through(to io.Writer) io.Writer { return through{l, to} }

type through struct {
	live *Live
	to   io.Writer
}

// Write takes the blocks off the screen, writes, and draws them again.
func (t through) Write(p []byte) (int, error) {
	l := t.live
	l.lock.Lock()
	defer l.lock.Unlock()
	l.erase()
	n, err := t.to.Write(p)
	if len(p) > 0 {
		l.inLine = p[len(p)-1] != '\n'
	}
	l.redraw("")
	return n, err
}

func (l *Live) erase() {
	if l.drawn > 0 {
		fmt.Fprintf(l.out, "\x1b[%dA\r\x1b[J", l.drawn)
		l.drawn = 0
	}
}

// event brings a stack's block up to date, and returns the line that stays when a resource failed.
func (l *Live) event(e delivery.Event) string {
	for _, b := range l.blocks {
		if b.stack != e.Stack {
			continue
		}
		b.done, b.total, b.latest = e.Done, e.Total, e.Resource+" "+e.Status
		if strings.HasSuffix(e.Status, "_FAILED") {
			b.failed = true
			return l.paint(e) + "\n"
		}
	}
	return ""
}

func (l *Live) drop(stack string) {
	for i, b := range l.blocks {
		if b.stack == stack {
			l.blocks = append(l.blocks[:i], l.blocks[i+1:]...)
			return
		}
	}
}

var (
	good  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	bad   = lipgloss.NewStyle().Foreground(lipgloss.Red)
	busy  = lipgloss.NewStyle().Foreground(lipgloss.Blue)
	faint = lipgloss.NewStyle().Faint(true)
)

// paint is an event as a line that stays.
func (l *Live) paint(e delivery.Event) string {
	text := line(e)
	switch {
	case !l.colour:
		return text
	case isTrouble(e):
		return bad.Render(text)
	case e.Outcome == delivery.Unchanged:
		return faint.Render(text)
	case e.Kind == delivery.EventStackFinished:
		return good.Render(text)
	}
	return text
}

// redraw puts text above the blocks and the blocks below it, in one write.
func (l *Live) redraw(text string) {
	if text == "" && (l.inLine || l.drawn == 0 && len(l.blocks) == 0 && l.tail == "") {
		return
	}
	l.inLine = false
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	b.WriteString("\r\x1b[J")
	b.WriteString(text)
	width := max(20, l.width()-1)
	l.drawn = 0
	for _, block := range l.blocks {
		b.WriteString(l.cut(block.String(), width, busy, block.failed) + "\n")
		l.drawn++
	}
	if l.tail != "" {
		b.WriteString(l.cut("    "+l.tail, width, faint, false) + "\n")
		l.drawn++
	}
	io.WriteString(l.out, b.String())
}

func (l *Live) cut(text string, width int, style lipgloss.Style, failed bool) string {
	text = ansi.Truncate(ansi.Strip(strings.ReplaceAll(text, "\t", " ")), width, "…")
	switch {
	case !l.colour:
		return text
	case failed:
		return bad.Render(text)
	}
	return style.Render(text)
}

// String is the block's line.
func (b *block) String() string {
	state := doing(b.operation)
	if b.failed {
		state = "Rolling back"
	}
	return fmt.Sprintf("  %s %s  %d/%d  %s  %s", state, b.stack, b.done, b.total, duration(time.Since(b.begun)), b.latest)
}
