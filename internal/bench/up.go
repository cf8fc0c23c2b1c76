package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// measureUp compares bringing hello up with running its two containers by hand.
func measureUp(ctx context.Context, w *world) ([]row, error) {
	if _, err := w.start(ctx); err != nil {
		return nil, err
	}
	hello := filepath.Join(w.root, "examples", "hello")
	if _, err := w.do(ctx, hello, "up"); err != nil {
		return nil, err
	}
	var unchanged []time.Duration
	for range 5 {
		d, err := w.do(ctx, hello, "up")
		if err != nil {
			return nil, err
		}
		unchanged = append(unchanged, d)
	}
	if _, err := w.do(ctx, hello, "down", "--yes"); err != nil {
		return nil, err
	}
	up, err := w.do(ctx, hello, "up")
	if err != nil {
		return nil, err
	}
	byHand, err := runByHand(ctx, hello)
	if err != nil {
		return nil, err
	}
	over := up - byHand
	return []row{
		{"`slipway up` of hello, image cached, over two `docker run`s until healthy", "≤ 3s",
			fmt.Sprintf("%s (%s against %s)", over.Round(10*time.Millisecond), up.Round(10*time.Millisecond), byHand.Round(10*time.Millisecond)), over <= 3*time.Second},
		under("`slipway up`, unchanged", median(unchanged), time.Second),
	}, nil
}

// runByHand starts the two containers with the Docker client and waits until both answer.
func runByHand(ctx context.Context, dir string) (time.Duration, error) {
	build := exec.CommandContext(ctx, "docker", "build", "-q", "-t", "slipway-bench-hello", dir)
	build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("docker build: %w\n%s", err, out)
	}
	var ids [2]string
	var errs [2]error
	defer func() {
		_ = exec.Command("docker", "rm", "-f", ids[0], ids[1]).Run()
		_ = exec.Command("docker", "rmi", "slipway-bench-hello").Run()
	}()
	began := time.Now()
	var both sync.WaitGroup
	for i := range ids {
		both.Go(func() { ids[i], errs[i] = runOne(ctx) })
	}
	both.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

func runOne(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", "run", "-d", "-p", "127.0.0.1::8080", "slipway-bench-hello").Output()
	if err != nil {
		return "", fmt.Errorf("docker run: %w", err)
	}
	id := strings.TrimSpace(string(out))
	port, err := exec.CommandContext(ctx, "docker", "port", id, "8080/tcp").Output()
	if err != nil {
		return id, fmt.Errorf("docker port: %w", err)
	}
	for range 1000 {
		res, err := http.Get("http://" + strings.TrimSpace(string(port)) + "/health")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return id, nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return id, fmt.Errorf("container %s does not answer", id)
}
