package e2e_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// cable is a proxy in front of the container engine that can be cut.
type cable struct {
	engine string // the socket behind
	path   string // the socket in front

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

func newCable(t *testing.T) *cable {
	t.Helper()
	socket, ok := strings.CutPrefix(docker(t).Host(), "unix://")
	if !ok {
		t.Skip("the engine is not behind a socket: ", docker(t).Host())
	}
	c := &cable{engine: socket, path: filepath.Join(t.TempDir(), "engine.sock"), open: map[net.Conn]bool{}}
	c.plug(t)
	t.Cleanup(c.cut)
	return c
}

// plug lets connections through.
func (c *cable) plug(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", c.path)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener = l
	go c.serve(l)
}

// cut ends every connection, and refuses new ones.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener.Close()
	for connection := range c.open {
		connection.Close()
	}
	clear(c.open)
}

func (c *cable) serve(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("unix", c.engine)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		c.open[near], c.open[far] = true, true
		c.mu.Unlock()
		go pipe(near, far)
		go pipe(far, near)
	}
}

// pipe carries one direction; its end is passed on, as attached streams need.
func pipe(to, from net.Conn) {
	io.Copy(to, from)
	if half, ok := to.(*net.UnixConn); ok {
		half.CloseWrite()
	}
}

// TestTheEngineGoesAway while tasks run: the service goes on answering, nothing is told that is not known, and all is well
// when the engine is back.
func TestTheEngineGoesAway(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	m := newMachine(t, "DOCKER_HOST=unix://"+c.path)
	m.project("1", "", 2)
	address := m.up()
	before := m.containers()
	c.cut()
	if err := expect(address, "version 1")(); err != nil {
		t.Errorf("while the engine is away: %v", err)
	}
	m.fails(1, nil, "svc", "push", "-t", "other").endsWith(t, "Error:")
	if status := m.must("twin", "status").stdout; strings.Contains(status, "Engine:   Docker") {
		t.Errorf("the twin says it has an engine:\n%s", status)
	}
	if n, err := m.runningTasks(); err != nil || n != 2 {
		t.Errorf("%d tasks are told to run, want 2: nobody saw them end (%v)", n, err)
	}
	// One container ends while nobody can see it.
	if err := docker(t).Remove(t.Context(), before[0], true); err != nil {
		t.Fatal(err)
	}
	c.plug(t)
	eventually(t, 60*time.Second, "the lost task is replaced", func() error { return m.tasksAreContainers(2) })
	now := strings.Join(m.containers(), " ")
	if strings.Contains(now, before[0]) || !strings.Contains(now, before[1]) {
		t.Errorf("containers %v before, %s after: the lost one alone is replaced", before, now)
	}
	eventually(t, 20*time.Second, "the service answers", expect(address, "version 1"))
	m.must("up").says(t, "No changes: service web")
}

// runningTasks is how many tasks of the service ECS says are running.
func (m *machine) runningTasks() (int, error) {
	out, err := ecs.NewFromConfig(m.config()).DescribeServices(m.t.Context(),
		&ecs.DescribeServicesInput{Cluster: aws.String("e2e-environment-dev"), Services: []string{"e2e-web-dev"}})
	if err != nil {
		return 0, err
	}
	if len(out.Services) != 1 || aws.ToString(out.Services[0].Status) != "ACTIVE" {
		return 0, fmt.Errorf("services %+v, failures %+v", out.Services, out.Failures)
	}
	return int(out.Services[0].RunningCount), nil
}
