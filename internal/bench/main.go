// Command bench measures slipway and writes docs/benchmarks.md. Absolute numbers are of the machine it ran on; what is compared
// with another program is given as a ratio of the same run.
//
//	go run ./internal/bench [-only twin,up,stacks,describe,tool,balancer]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	What, Goal, Measured string
	Met                  bool
}

// bench is one group of measurements.
type bench struct {
	name string
	run  func(context.Context, *world) ([]row, error)
}

var benches = []bench{
	{"tool", measureTool},
	{"twin", measureTwin},
	{"stacks", measureStacks},
	{"describe", measureDescribe},
	{"up", measureUp},
	{"balancer", measureBalancer},
}

func main() {
	log.SetFlags(0)
	only := flag.String("only", "", "comma-separated groups: tool, twin, stacks, describe, up, balancer; empty: all, and docs/benchmarks.md is written")
	flag.Parse()
	if err := run(*only); err != nil {
		log.Fatal(err)
	}
}

func run(only string) error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.close()
	var rows []row
	for _, b := range benches {
		if only != "" && !slices.Contains(strings.Split(only, ","), b.name) {
			continue
		}
		log.Printf("== %s", b.name)
		found, err := b.run(context.Background(), w)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		for _, r := range found {
			log.Printf("%s  %-62s %-28s %s", mark(r.Met), r.What, r.Goal, r.Measured)
		}
		rows = append(rows, found...)
	}
	if only != "" {
		return nil
	}
	return write(rows)
}

func mark(met bool) string {
	if met {
		return "met   "
	}
	return "MISSED"
}

func write(rows []row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nMeasured by `make bench` on %s, %s/%s, %d cores, %s, in one run. The machine was shared: read ratios, not milliseconds.\n\n",
		time.Now().Format("2 January 2006"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	b.WriteString("| what | goal | measured | |\n|---|---|---|---|\n")
	for _, r := range rows {
		verdict := "met"
		if !r.Met {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.What, r.Goal, r.Measured, verdict)
	}
	path := filepath.Join("docs", "benchmarks.md")
	b.WriteString(byHand(path))
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

const handHeading = "\n## By hand\n"

// byHand is the part of the page that people write: what takes a machine that a benchmark must not have.
func byHand(path string) string {
	page, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	_, text, found := strings.Cut(string(page), handHeading)
	if !found {
		return ""
	}
	return handHeading + text
}

// under makes a row for a duration that should not exceed a goal.
func under(what string, measured, goal time.Duration) row {
	return row{what, "≤ " + goal.String(), measured.Round(100 * time.Microsecond).String(), measured <= goal}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
