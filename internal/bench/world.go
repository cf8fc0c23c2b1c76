package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// world is a slipway binary with a home of its own, so that a measurement touches nothing of the user's.
type world struct {
	slipway string
	root    string // of the repository
	home    string
	address string
}

func newWorld() (*world, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return &world{slipway: filepath.Join(root, "bin", "slipway"), root: root, home: home, address: l.Addr().String()}, nil
}

func (w *world) close() {
	if _, err := w.do(context.Background(), w.root, "twin", "reset", "--yes"); err != nil {
		log.Print(err)
	}
	os.RemoveAll(w.home)
}

func (w *world) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, w.slipway, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "SLIPWAY_HOME="+w.home, "SLIPWAY_ADDRESS="+w.address)
	return c
}

// do runs a command of slipway and returns how long it took.
func (w *world) do(ctx context.Context, dir string, args ...string) (time.Duration, error) {
	var out bytes.Buffer
	c := w.command(ctx, dir, args...)
	c.Stdout, c.Stderr = &out, &out
	began := time.Now()
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("slipway %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return time.Since(began), nil
}

// twinFile is what a running twin tells of itself in its home.
type twinFile struct {
	Endpoint, AccessKeyID, SecretAccessKey, Region string
	PID                                            int
}

func (w *world) twin() (f twinFile, err error) {
	b, err := os.ReadFile(filepath.Join(w.home, "twin.json"))
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(b, &f)
}

// start makes sure that the twin runs.
func (w *world) start(ctx context.Context) (twinFile, error) {
	if f, err := w.twin(); err == nil {
		return f, nil
	}
	if _, err := w.do(ctx, w.root, "twin", "start", "--address", w.address); err != nil {
		return twinFile{}, err
	}
	return w.twin()
}

func (w *world) cloudformation(ctx context.Context) (*cloudformation.Client, error) {
	f, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	return cloudformation.New(cloudformation.Options{Region: f.Region, BaseEndpoint: aws.String(f.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(f.AccessKeyID, f.SecretAccessKey, "")}), nil
}
