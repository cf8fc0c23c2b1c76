package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// example copies an example out of the repository and builds its programs.
func (m *machine) example(name string, programs ...string) {
	m.t.Helper()
	m.dir = filepath.Join(m.t.TempDir(), name)
	if err := os.CopyFS(m.dir, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil {
		m.t.Fatal(err)
	}
	for _, program := range programs {
		c := exec.Command("go", "build", "-trimpath", "-o", "bin/"+filepath.Base(program), "main.go")
		c.Dir = filepath.Join(m.dir, filepath.Dir(program))
		c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if said, err := c.CombinedOutput(); err != nil {
			m.t.Fatalf("build %s: %v\n%s", program, err, said)
		}
	}
}

// TestExampleHello is the README's story: up, look, up again, down.
func TestExampleHello(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.example("hello", "hello")
	address := m.up()
	const greeting = "(the development environment)"
	for name, try := range map[string][2]string{
		"the printed address":     {address, ""},
		"the name as Host":        {"http://" + m.address + "/", host(t, address)},
		"the listener's own port": {m.ownPort(), ""},
	} {
		if body, err := get(try[0], try[1]); err != nil || !strings.Contains(body, greeting) {
			t.Errorf("%s (%s): %q, %v", name, try[0], body, err)
		}
	}
	before := m.containers()
	if len(before) != 2 {
		t.Errorf("%d containers, want 2", len(before))
	}
	again := m.must("up")
	again.says(t, "No changes: service hello")
	if changed := regexp.MustCompile(`(?m)^\s*(Creat|Updat|Build|Push)`).FindString(again.stderr); changed != "" {
		t.Errorf("the second up changes something:\n%s", again.stderr)
	}
	if after := m.containers(); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("the second up replaced containers: %v, %v", before, after)
	}
	m.must("down", "--all", "--yes")
	m.nothingLeft()
	if _, err := get(address, ""); err == nil {
		t.Error("the address still answers")
	}
}

// ownPort is the address of the only listener's own port, as the twin lists it.
func (m *machine) ownPort() string {
	m.t.Helper()
	text, err := get("http://"+m.address+"/_slipway/loadbalancers", "elb.localhost")
	if err != nil {
		m.t.Fatal(err)
	}
	var listed []struct{ Listeners []struct{ Address string } }
	if err := json.Unmarshal([]byte(text), &listed); err != nil || len(listed) != 1 || len(listed[0].Listeners) != 1 {
		m.t.Fatalf("load balancers: %v in %s", err, text)
	}
	return "http://" + listed[0].Listeners[0].Address + "/"
}

// nothingLeft checks that no stack and no container is left, and no network once the twin is reset.
func (m *machine) nothingLeft() {
	m.t.Helper()
	list, err := cloudformation.NewFromConfig(m.config()).DescribeStacks(m.t.Context(), &cloudformation.DescribeStacksInput{})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, s := range list.Stacks {
		m.t.Errorf("stack %s is left: %s", *s.StackName, s.StackStatus)
	}
	eventually(m.t, 30*time.Second, "no container is left", func() error { return none(m) })
}

func none(m *machine) error {
	if n := len(m.all()); n != 0 {
		return os.ErrExist
	}
	return nil
}

// TestExampleTwoServices has front ask back through the load balancer, from inside its container.
func TestExampleTwoServices(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.example("two-services", "back/back", "front/front")
	root := m.dir
	m.dir = filepath.Join(root, "back")
	m.up()
	m.dir = filepath.Join(root, "front")
	address := m.up()
	greeting := regexp.MustCompile(`^Good (night|morning|afternoon|evening)!\n$`)
	if body, err := get(address, ""); err != nil || !greeting.MatchString(body) {
		t.Errorf("front answers %q, %v", body, err)
	}
	for _, service := range []string{"front", "back"} {
		m.dir = filepath.Join(root, service)
		m.must("down", "--all", "--yes")
	}
	m.nothingLeft()
	labels := m.labels()
	m.must("twin", "reset", "--yes")
	left, err := docker(t).Networks(t.Context(), labels)
	if err != nil || len(left) != 0 {
		t.Errorf("networks are left: %v %v", left, err)
	}
}
