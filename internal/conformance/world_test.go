package conformance_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// image is the program of examples/hello as an image that is on the engine and in no registry.
const image = "localhost/slipway/conformance:1"

// world is one twin, started as its users start it, that every program here talks to. Each story takes names of its own.
type world struct {
	home, slipway string
	env           []string // what a program needs to talk to the twin
	address       string
	once          sync.Once
	imageErr      error
}

var (
	open    sync.Once
	opened  *world
	openErr error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if opened != nil {
		if err := opened.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// need skips the test where conformance is not asked for or a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("SLIPWAY_CONFORMANCE") != "1" {
		t.Skip("SLIPWAY_CONFORMANCE=1 has other programs judge the twin")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not on the PATH", name)
		}
	}
}

func needBoto3(t *testing.T) {
	t.Helper()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not installed for python3")
	}
}

func theTwin(t *testing.T) *world {
	t.Helper()
	open.Do(func() { opened, openErr = openWorld() })
	if openErr != nil {
		t.Fatal(openErr)
	}
	return opened
}

// openWorld builds slipway as it is now and has it start a twin.
func openWorld() (*world, error) {
	home, err := os.MkdirTemp("", "slipway-conformance-")
	if err != nil {
		return nil, err
	}
	w := &world{home: home, slipway: filepath.Join(home, "bin", "slipway")}
	if _, err := run(nil, "go", "build", "-o", w.slipway, "slipway.dev/cmd/slipway"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	if err := w.start(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) start() error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.address = free.Addr().String()
	free.Close()
	w.env = []string{"SLIPWAY_HOME=" + w.home}
	if _, err := run(w.env, w.slipway, "twin", "start", "--address", w.address); err != nil {
		return err
	}
	exports, err := run(w.env, w.slipway, "twin", "env")
	for line := range strings.Lines(exports) {
		if pair, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			name, value, _ := strings.Cut(strings.TrimSuffix(pair, ";"), "=")
			w.env = append(w.env, name+"="+strings.Trim(value, "'"))
		}
	}
	_, port, _ := net.SplitHostPort(w.address)
	w.env = append(w.env, "TWIN="+w.address, "PORT="+port, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
	return err
}

// close removes the twin with all it made, and the names that images had for its registry.
func (w *world) close() error {
	_, err := run(w.env, w.slipway, "twin", "reset", "--yes")
	return errors.Join(err, w.untag(), os.RemoveAll(w.home))
}

func (w *world) untag() error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil
	}
	names, err := run(nil, "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+w.address+"/*/*/*")
	for name := range strings.Lines(names) {
		_, removing := run(nil, "docker", "image", "rm", strings.TrimSpace(name))
		err = errors.Join(err, removing)
	}
	return err
}

// image puts the image on the engine.
func (w *world) image(t *testing.T) {
	t.Helper()
	w.once.Do(func() { w.imageErr = w.buildImage() })
	if w.imageErr != nil {
		t.Fatal(w.imageErr)
	}
}

func (w *world) buildImage() error {
	dir := filepath.Join(w.home, "hello")
	if err := os.CopyFS(dir, os.DirFS("../../examples/hello")); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "bin")); err != nil {
		return err
	}
	if _, err := run([]string{"CGO_ENABLED=0", "GOOS=linux"}, "go", "build", "-trimpath", "-o", filepath.Join(dir, "bin", "hello"), "../../examples/hello"); err != nil {
		return err
	}
	_, err := run(nil, "docker", "build", "-q", "-t", image, dir)
	return err
}

func run(env []string, program string, args ...string) (string, error) {
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// params are those of the stories in a folder of testdata.
func (w *world) params(folder string, env []string) testscript.Params {
	return testscript.Params{
		Dir: filepath.Join("testdata", folder),
		Setup: func(e *testscript.Env) error {
			for _, pair := range append(append(e.Vars, w.env...), env...) {
				name, value, _ := strings.Cut(pair, "=")
				e.Setenv(name, value)
			}
			for _, name := range []string{"PYENV_ROOT", "PYENV_VERSION", "DOCKER_HOST"} {
				if value, ok := os.LookupEnv(name); ok {
					e.Setenv(name, value)
				}
			}
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("IMAGE", image)
			e.Setenv("HELLO", filepath.Join(w.home, "hello"))
			e.Setenv("PATH", filepath.Dir(w.slipway)+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"let": let, "status": status, "refused": refused, "await": await, "noise": noise},
		ContinueOnError:     os.Getenv("SLIPWAY_CONFORMANCE_CONTINUE") != "", // shows every failure of a story, the later ones often of the first
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
}
