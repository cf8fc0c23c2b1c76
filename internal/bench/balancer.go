package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// measureBalancer runs the data plane's own comparison, and then deploys a service ten times under load.
func measureBalancer(ctx context.Context, w *world) ([]row, error) {
	out, err := exec.CommandContext(ctx, "go", "run", "./internal/twin/service/elbv2/dataplane/bench", "-rounds", "2").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	rows := ratios(string(out))
	if len(rows) == 0 {
		return nil, fmt.Errorf("no ratio in the output of the data plane's bench:\n%s", out)
	}
	deploys, err := deployUnderLoad(ctx, w)
	return append(rows, deploys...), err
}

var ratioLine = regexp.MustCompile(`slipway/(\w+) = ([0-9.]+) \(wanted: ([0-9.]+)\)`)

func ratios(text string) (rows []row) {
	for _, m := range ratioLine.FindAllStringSubmatch(text, -1) {
		ratio, _ := strconv.ParseFloat(m[2], 64)
		goal, _ := strconv.ParseFloat(m[3], 64)
		rows = append(rows, row{"load balancer throughput against " + m[1] + ", 64 connections, 1 KiB", "≥ " + m[3], m[2] + "×", ratio >= goal})
	}
	return rows
}

// deployUnderLoad deploys hello ten times while hey keeps asking it, and counts what failed.
func deployUnderLoad(ctx context.Context, w *world) ([]row, error) {
	hey, err := exec.LookPath("hey")
	if err != nil { // a program that is missing is a measurement that is missing
		return []row{{"requests failed while deployed ten times under load", "0", "not measured: hey is not installed", false}}, nil
	}
	hello := filepath.Join(w.root, "examples", "hello")
	if _, err := w.start(ctx); err != nil {
		return nil, err
	}
	if _, err := w.do(ctx, hello, "up"); err != nil {
		return nil, err
	}
	url, err := w.baseURL(ctx, hello)
	if err != nil {
		return nil, err
	}
	load := exec.CommandContext(ctx, hey, "-z", "120s", "-c", "8", "-q", "25", "-host", strings.TrimPrefix(url, "http://"), "http://"+w.address+"/")
	var report strings.Builder
	load.Stdout = &report
	if err := load.Start(); err != nil {
		return nil, err
	}
	for range 10 {
		if _, err := w.do(ctx, hello, "svc", "restart", "dev"); err != nil {
			return nil, err
		}
	}
	if err := load.Process.Signal(os.Interrupt); err != nil {
		return nil, fmt.Errorf("the load ended before the deployments: %w", err)
	}
	if err := load.Wait(); err != nil {
		return nil, fmt.Errorf("hey: %w", err)
	}
	good, failed := counts(report.String())
	return []row{{"requests failed while replaced ten times under load", "0", fmt.Sprintf("%d of %d", failed, good+failed), failed == 0 && good > 0}}, nil
}

// baseURL is the address that env show tells a shell.
func (w *world) baseURL(ctx context.Context, dir string) (string, error) {
	out, err := w.command(ctx, dir, "env", "show", "dev", "-f", "shell").Output()
	_, url, ok := strings.Cut(strings.TrimSpace(string(out)), "BASE_URL=")
	if err == nil && !ok {
		err = fmt.Errorf("env show printed %q", out)
	}
	return strings.Trim(url, `"'`), err
}

// counts reads hey's report: answers by status, and errors.
func counts(report string) (good, failed int) {
	inErrors := false
	for line := range strings.Lines(report) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Error distribution") {
			inErrors = true
		}
		n := bracketed(line)
		switch {
		case n == 0:
		case inErrors || !strings.HasPrefix(line, "[2"):
			failed += n
		default:
			good += n
		}
	}
	return good, failed
}

var status = regexp.MustCompile(`^\[(\d+)\]\s+(\d+) responses`)
var broken = regexp.MustCompile(`^\[(\d+)\]\s+\S`)

func bracketed(line string) int {
	if m := status.FindStringSubmatch(line); m != nil {
		n, _ := strconv.Atoi(m[2])
		return n
	}
	if m := broken.FindStringSubmatch(line); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}
