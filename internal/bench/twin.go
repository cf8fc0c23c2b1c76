package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func measureTool(ctx context.Context, w *world) ([]row, error) {
	info, err := os.Stat(w.slipway)
	if err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	var times []time.Duration
	for range 20 {
		d, err := w.do(ctx, filepath.Join(w.root, "examples", "hello"), "validate")
		if err != nil {
			return nil, err
		}
		times = append(times, d)
	}
	size := float64(info.Size()) / 1e6
	return []row{
		under("`slipway validate`", median(times), 50*time.Millisecond),
		{"size of the binary", "≤ 90 MB", fmt.Sprintf("%.1f MB", size), size <= 90},
	}, nil
}

// measureTwin starts the twin and looks at it while hello is up and nothing happens.
func measureTwin(ctx context.Context, w *world) ([]row, error) {
	var ready []time.Duration
	for range 5 {
		d, err := w.do(ctx, w.root, "twin", "start", "--address", w.address)
		if err != nil {
			return nil, err
		}
		ready = append(ready, d)
		if _, err := w.do(ctx, w.root, "twin", "stop"); err != nil {
			return nil, err
		}
	}
	f, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	hello := filepath.Join(w.root, "examples", "hello")
	if _, err := w.do(ctx, hello, "up"); err != nil {
		return nil, err
	}
	time.Sleep(20 * time.Second)
	const window = 20 * time.Second
	before, err := cpu(f.PID)
	if err != nil {
		return nil, err
	}
	time.Sleep(window)
	after, err := cpu(f.PID)
	if err != nil {
		return nil, err
	}
	resident, err := rss(f.PID)
	if err != nil {
		return nil, err
	}
	busy := 100 * float64(after-before) / float64(window)
	return []row{
		under("twin ready after `twin start` (the command's whole time)", median(ready), 300*time.Millisecond),
		{"twin resident, idle with hello up", "≤ 80 MiB", fmt.Sprintf("%.0f MiB", resident), resident <= 80},
		{"twin CPU, idle with hello up", "≤ 1 %", fmt.Sprintf("%.2f %%", busy), busy <= 1},
	}, nil
}

// cpu is the processor time a process has used. Linux counts it in ticks of 10 ms.
func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b)[strings.LastIndexByte(string(b), ')')+1:])
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// rss is a process's resident memory in MiB.
func rss(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS for process %d", pid)
}
