package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"slipway.dev/internal/delivery"
	"slipway.dev/internal/engine"
)

// machine is a user's machine: a home with a twin, and a folder with a project.
type machine struct {
	t       *testing.T
	home    string
	address string
	dir     string
	env     []string
}

// newMachine starts a twin; everything of it is removed when the test ends.
func newMachine(t *testing.T, env ...string) *machine {
	t.Helper()
	docker(t)
	m := &machine{t: t, home: t.TempDir(), address: freeAddress(t), dir: t.TempDir(), env: env}
	t.Cleanup(m.reset)
	m.startTwin()
	return m
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (m *machine) reset() {
	if m.t.Failed() {
		log, _ := os.ReadFile(filepath.Join(m.home, "twin.log"))
		m.t.Logf("the twin's log ends:\n%s", log[max(0, len(log)-4000):])
	}
	c := m.command("twin", "reset", "--yes")
	c.Env = append(os.Environ(), "SLIPWAY_HOME="+m.home) // the engine itself, not what a test put in front of it
	if said, err := c.CombinedOutput(); err != nil {
		m.t.Errorf("reset: %v\n%s", err, said)
	}
}

func (m *machine) startTwin() {
	m.t.Helper()
	m.must("twin", "start", "--address", m.address)
}

// connection is how to reach the twin.
func (m *machine) connection() delivery.Connection {
	m.t.Helper()
	c, err := delivery.ReadConnection(m.home)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// killTwin ends the twin's process as a power cut would, and waits until it is gone.
func (m *machine) killTwin() {
	m.t.Helper()
	pid := m.connection().PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, 10*time.Second, "the twin's process is gone", func() error {
		if _, err := delivery.ReadConnection(m.home); err != nil {
			return nil
		}
		return fmt.Errorf("process %d is there", pid)
	})
}

// result is what a command printed and ended with.
type result struct {
	code           int
	stdout, stderr string
}

func (m *machine) command(args ...string) *exec.Cmd {
	c := exec.Command(slipway, args...)
	c.Dir = m.dir
	c.Env = append(append(os.Environ(), "SLIPWAY_HOME="+m.home), m.env...)
	return c
}

// running is a command under way.
type running struct {
	*exec.Cmd
	t        *testing.T
	out, err syncBuffer
	ended    chan result
}

func (m *machine) start(args ...string) *running {
	m.t.Helper()
	return m.begin(m.command(args...))
}

func (m *machine) begin(c *exec.Cmd) *running {
	m.t.Helper()
	r := &running{Cmd: c, t: m.t, ended: make(chan result, 1)}
	c.Stdout, c.Stderr = &r.out, &r.err
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		c.Wait()
		r.ended <- result{c.ProcessState.ExitCode(), r.out.String(), r.err.String()}
	}()
	return r
}

// wait waits for the end of the command.
func (r *running) wait() result {
	r.t.Helper()
	select {
	case done := <-r.ended:
		return done
	case <-time.After(150 * time.Second):
		r.Process.Kill()
		r.t.Fatalf("%s does not end:\n%s%s", strings.Join(r.Args[1:], " "), r.out.String(), r.err.String())
	}
	return result{}
}

func (m *machine) run(args ...string) result {
	m.t.Helper()
	return m.start(args...).wait()
}

// must runs a command that has to succeed.
func (m *machine) must(args ...string) result {
	m.t.Helper()
	r := m.run(args...)
	if r.code != 0 {
		m.t.Fatalf("slipway %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// fails runs a command that has to fail, saying all of the texts on standard error.
func (m *machine) fails(code int, texts []string, args ...string) result {
	m.t.Helper()
	r := m.run(args...)
	if r.code != code {
		m.t.Errorf("slipway %s: exit code %d, want %d", strings.Join(args, " "), r.code, code)
	}
	r.says(m.t, texts...)
	return r
}

func (r result) says(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			t.Errorf("standard error lacks %q:\n%s", text, r.stderr)
		}
	}
}

// endsWith checks the last lines of standard error.
func (r result) endsWith(t *testing.T, lines ...string) {
	t.Helper()
	said := strings.Split(strings.TrimSpace(r.stderr), "\n")
	last := strings.Join(said[max(0, len(said)-5):], "\n")
	for _, line := range lines {
		if !strings.Contains(last, line) {
			t.Errorf("the last lines lack %q:\n%s", line, r.stderr)
		}
	}
}

// write puts a file into the project.
func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// project writes a project of the test program: its version and mode, and how many tasks.
func (m *machine) project(version, mode string, count int) {
	m.t.Helper()
	m.write("slipway.yml", fmt.Sprintf(manifest, count, version, mode))
	m.write("Dockerfile", "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\"]\n")
	program, err := os.ReadFile(app)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "app"), program, 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// Health checks are made quick, so that failing ones are found out in seconds.
const manifest = `namespace: e2e
environments:
  - name: dev
    provider: ecs-fargate
service:
  name: web
  port: 8080
  healthEndpoint: /health
  desiredCount: %d
  pathPatterns: ["/*"]
  environment:
    VERSION: "%s"
    MODE: "%s"
parameters:
  e2e-service-web-dev:
    HealthCheckGracePeriod: "2"
    DeregistrationDelay: "1"
templates:
  e2e-service-web-dev:
    Resources:
      ElbTargetGroup:
        Properties:
          HealthCheckIntervalSeconds: 5
          HealthCheckTimeoutSeconds: 2
          UnhealthyThresholdCount: 2
`

// browser takes every name below localhost for this machine, as browsers and curl do, whatever the machine's resolver says.
var browser = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
	DisableKeepAlives: true,
	DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	},
}}

// get asks an address, with another Host header where one is given.
func get(address, host string) (string, error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	request.Host = host
	answer, err := browser.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", address, answer.Status, body)
	}
	return string(body), err
}

func expect(address, text string) func() error {
	return func() error {
		body, err := get(address, "")
		if err == nil && !strings.Contains(body, text) {
			err = fmt.Errorf("GET %s answers %q, want %q", address, body, text)
		}
		return err
	}
}

// containers are the ids of the running containers of the twin, without the pauses that only hold a task's network.
func (m *machine) containers() []string {
	m.t.Helper()
	var ids []string
	for _, c := range m.all() {
		if c.Status == engine.StatusRunning && !strings.HasSuffix(c.Name, "._pause") {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (m *machine) labels() map[string]string {
	m.t.Helper()
	id, err := os.ReadFile(filepath.Join(m.home, "twin.id"))
	if err != nil {
		m.t.Fatal(err)
	}
	return map[string]string{"dev.slipway.twin": strings.TrimSpace(string(id))}
}

// all are the containers of the twin.
func (m *machine) all() []engine.Summary {
	m.t.Helper()
	list, err := docker(m.t).List(m.t.Context(), m.labels())
	if err != nil {
		m.t.Fatal(err)
	}
	return list
}

// config is for clients of AWS's SDK.
func (m *machine) config() aws.Config {
	m.t.Helper()
	c := m.connection()
	return aws.Config{Region: c.Region, BaseEndpoint: &c.Endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")}
}

// up brings the project up and gives its address.
func (m *machine) up() string {
	m.t.Helper()
	return strings.TrimSpace(m.must("up").stdout)
}

// host is the name in an address.
func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname()
}

// syncBuffer can be read while a command writes it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// errNot is something that is not what was waited for.
type errNot string

func (e errNot) Error() string { return string(e) }

func readManifest(m *machine) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, "slipway.yml"))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}
