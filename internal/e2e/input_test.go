package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// TestBadManifests: what the file must not say is told with its place, and nothing is touched: there is no engine and no twin.
func TestBadManifests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		args  []string
		wants []string
	}{
		"unknown key":          {"namespace: n\nservice:\n  name: web\n  desiredCuont: 2\n", []string{"validate"}, []string{"slipway.yml:4:3", "desiredCuont", "desiredCount"}},
		"wrong type":           {"namespace: n\nservice:\n  name: web\n  port: eighty\n", []string{"validate"}, []string{"slipway.yml:4:9", "eighty"}},
		"duplicate key":        {"namespace: n\nservice:\n  name: web\n  name: web2\n", []string{"validate"}, []string{"slipway.yml:4:3", "name"}},
		"all errors at once":   {"namespace: n\nnope: 1\nservice:\n  name: web\n  port: eighty\n", []string{"validate"}, []string{"slipway.yml:2:1", "slipway.yml:5:9"}},
		"absent environment":   {"namespace: n\nenvironments:\n  - name: dev\n    provider: ecs-fargate\n", []string{"up", "--env", "prod", "--dryrun"}, []string{"prod", "dev"}},
		"absent environment 2": {"namespace: n\nenvironments:\n  - name: dev\n    provider: ecs-fargate\n", []string{"env", "up", "prod", "--dryrun"}, []string{"prod", "dev"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &machine{t: t, home: t.TempDir(), dir: t.TempDir(), env: []string{"DOCKER_HOST=unix:///nonexistent.sock"}}
			m.write("slipway.yml", c.text)
			m.fails(1, c.wants, c.args...)
		})
	}
}

// TestAnEnvironmentThatDoesNotExist is refused before anything is made.
func TestAnEnvironmentThatDoesNotExist(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 1)
	for _, args := range [][]string{{"up", "--env", "prod"}, {"env", "up", "prod"}, {"svc", "deploy", "prod"}} {
		r := m.fails(1, []string{"prod"}, args...)
		if strings.Contains(r.stderr, "Creating") {
			t.Errorf("slipway %s makes something:\n%s", strings.Join(args, " "), r.stderr)
		}
	}
	m.nothingLeft()
}

// TestTheTwinsPortIsTaken by another twin.
func TestTheTwinsPortIsTaken(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	other := &machine{t: t, home: t.TempDir(), dir: m.dir}
	other.fails(1, []string{"already listens on " + m.address, "--address"}, "twin", "start", "--address", m.address)
	m.must("twin", "status")
}

// TestNoEngine: up says that there is no engine, and where it looked.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "DOCKER_HOST=unix://"+filepath.Join(t.TempDir(), "docker.sock"))
	m.project("1", "", 1)
	m.fails(1, nil, "up").endsWith(t, "Error:", "docker.sock")
}

// TestADamagedStateFile is refused, kept as it is, and the way out is told.
func TestADamagedStateFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.must("twin", "stop")
	files, err := filepath.Glob(filepath.Join(m.home, "state", "*.db"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no state file: %v %v", files, err)
	}
	damaged := bytes.Repeat([]byte("not a database "), 1000)
	if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	m.fails(1, []string{files[0], "damaged", "twin reset"}, "twin", "start", "--address", m.address)
	if kept, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(kept, damaged) {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	m.must("twin", "reset", "--yes")
	m.startTwin()
}

// TestAFullDisk: the change is refused in words, and works once there is space.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	docker(t)
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	home := t.TempDir()
	if said, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", home).CombinedOutput(); err != nil {
		t.Skipf("mount: %v: %s", err, said)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(home, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m := &machine{t: t, home: home, address: freeAddress(t), dir: t.TempDir()}
	t.Cleanup(m.reset)
	m.startTwin()
	m.project("1", "", 1)
	m.must("env", "up", "dev")
	ballast := filepath.Join(home, "ballast")
	fillUp(t, ballast)
	m.fails(1, nil, "up").endsWith(t, "Error:", "no space left")
	m.fullState()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the service comes up once there is space", expect(m.up(), "version 1"))
}

// fullState writes until the state file cannot grow, which the answer says; the twin goes on answering.
func (m *machine) fullState() {
	m.t.Helper()
	client := cloudformation.NewFromConfig(m.config())
	template := fmt.Sprintf(exporter, "x", "x") + strings.Repeat(" ", 50000)
	var err error
	for i := 0; i < 500 && err == nil; i++ {
		_, err = client.CreateChangeSet(m.t.Context(), &cloudformation.CreateChangeSetInput{StackName: new(fmt.Sprintf("full-%d", i)),
			ChangeSetName: new("c"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: &template})
	}
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		m.t.Errorf("a state that cannot grow: %v", err)
	}
	m.must("env", "list")
}

// fillUp writes a file until nothing more goes.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}

// TestTwoAtOnce: both bring the same stack up, and both end well.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 1)
	m.up()
	m.project("2", "", 1)
	one := m.start("up")
	eventually(t, 30*time.Second, "the first is at work", func() error {
		if strings.Contains(one.err.String(), "Updating stack") {
			return nil
		}
		return errNot(one.err.String())
	})
	other := m.run("up")
	first := one.wait()
	if first.code != 0 || other.code != 0 {
		t.Errorf("exit codes %d and %d\n%s\n%s", first.code, other.code, first.stderr, other.stderr)
	}
	if !strings.Contains(other.stderr, "slipway of user") && !strings.Contains(other.stderr, "No changes: service web") {
		t.Errorf("the second neither waits for anybody nor finds no changes:\n%s", other.stderr)
	}
	if err := expect(strings.TrimSpace(other.stdout), "version 2")(); err != nil {
		t.Error(err)
	}
}

// TestCtrlC during up: what goes on is told, and the next up goes on from there.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 1)
	up := m.start("up")
	eventually(t, 30*time.Second, "the service's stack is being created", func() error {
		if strings.Contains(up.err.String(), "Creating stack 'e2e-service-web-dev'") {
			return nil
		}
		return errNot(up.err.String())
	})
	if err := up.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	r := up.wait()
	if r.code != 130 {
		t.Errorf("exit code %d, want 130", r.code)
	}
	r.endsWith(t, "interrupted: this goes on without slipway", "stack e2e-service-web-dev: is being created; it finishes, or is rolled back", "Running the command again")
	eventually(t, 20*time.Second, "the service answers", expect(m.up(), "version 1"))
}
