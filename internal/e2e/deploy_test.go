package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// watch asks an address over and over until stop, which gives how many requests were made and the errors of those that failed.
func watch(address string) (stop func() (int64, []string)) {
	var asked atomic.Int64
	var failed []string
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			if _, err := get(address, ""); err != nil {
				failed = append(failed, err.Error())
			}
			asked.Add(1)
		}
	}()
	return func() (int64, []string) { close(end); <-ended; return asked.Load(), failed }
}

// TestABadVersionNeverServes deploys bad versions over a good one, which answers every request meanwhile.
func TestABadVersionNeverServes(t *testing.T) {
	for mode, lines := range map[string][]string{
		"exits":  {"container web exited with code 3", "last lines of container web in task", "cannot open /etc/app.conf"},
		"sick":   {"the health check of GET /health on port 8080 fails: Health checks failed with these codes: [500]"},
		"silent": {"the health check of GET /health on port 8080 fails: Request timed out"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.project("good", "", 1)
			address := m.up()
			stop := watch(address)
			m.project("bad", mode, 1)
			r := m.fails(1, []string{"UPDATE_ROLLBACK_COMPLETE"}, "up")
			r.endsWith(t, lines...)
			asked, failed := stop()
			if len(failed) > 0 || asked == 0 {
				t.Errorf("%d of %d requests failed: %v", len(failed), asked, failed)
			}
			if err := expect(address, "version good")(); err != nil {
				t.Error(err)
			}
			if r.stdout != "" {
				t.Errorf("a failed up prints an address: %s", r.stdout)
			}
		})
	}
}

// TestAnImageThatIsNotThere is about imageRepository; the reason names the image.
func TestAnImageThatIsNotThere(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 1)
	address := m.up()
	m.write("slipway.yml", strings.Replace(readManifest(m), "  port: 8080\n", "  port: 8080\n  imageRepository: localhost:1/nothing/here:1\n", 1))
	m.fails(1, nil, "up").endsWith(t, "localhost:1/nothing/here:1")
	if err := expect(address, "version 1")(); err != nil {
		t.Error(err)
	}
}

// TestAnImageThatDoesNotBuild fails with the line of the Dockerfile.
func TestAnImageThatDoesNotBuild(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 1)
	m.write("Dockerfile", "FROM scratch\nCOPY nothing /app\n")
	m.fails(1, nil, "up").endsWith(t, "Error: ", "COPY", "nothing")
}

// TestAService goes through the commands about a service and an environment.
func TestAService(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 1)
	address := m.up()
	first := m.revision()
	base := strings.TrimSuffix(address, "/")
	if got, want := m.must("env", "show", "dev", "-f", "json").stdout, `{"values":[{"key":"BASE_URL","value":"`+base+`"}]}`+"\n"; got != want {
		t.Errorf("env show -f json: %q, want %q", got, want)
	}
	if got, want := m.must("env", "show", "dev", "-f", "shell").stdout, "BASE_URL="+base+"\n"; got != want {
		t.Errorf("env show -f shell: %q, want %q", got, want)
	}
	exec := m.run("svc", "exec", "dev", "--", "say", "hello", "world")
	if exec.code != 7 || exec.stdout != "said: hello world\n" {
		t.Errorf("svc exec: %d %q\n%s", exec.code, exec.stdout, exec.stderr)
	}
	m.restart(address)
	m.follow()
	m.rollBack(address, first)
	m.must("svc", "undeploy", "dev", "--yes")
	eventually(t, 30*time.Second, "the service's containers go", func() error { return none(m) })
	m.must("env", "terminate", "dev", "--yes")
	if r := m.must("env", "list"); strings.Contains(r.stdout, "e2e-environment-dev") {
		t.Errorf("the environment is listed still:\n%s", r.stdout)
	}
}

// revision is the tag that is deployed.
func (m *machine) revision() string {
	m.t.Helper()
	for _, line := range strings.Split(m.must("svc", "show").stdout, "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "dev" {
			return fields[1]
		}
	}
	m.t.Fatal("svc show tells no revision")
	return ""
}

// restart replaces the containers, while the service answers.
func (m *machine) restart(address string) {
	m.t.Helper()
	before := m.containers()
	stop := watch(address)
	m.must("svc", "restart", "dev")
	if asked, failed := stop(); len(failed) > 0 {
		m.t.Errorf("%d of %d requests failed during svc restart: %v", len(failed), asked, failed)
	}
	eventually(m.t, 30*time.Second, "new containers alone", func() error {
		if after := m.containers(); len(after) != len(before) || slices.Contains(after, before[0]) {
			return errNot(fmt.Sprintf("containers %v before, %v after", before, after))
		}
		return nil
	})
}

// follow follows the log until what is wanted has come, then ends it as Ctrl-C does.
func (m *machine) follow() {
	m.t.Helper()
	logs := m.start("svc", "logs", "dev", "-f", "-t", "10m")
	eventually(m.t, 20*time.Second, "the log tells of the version", func() error {
		if strings.Contains(logs.out.String(), "] starting version 1\n") {
			return nil
		}
		return errNot(logs.out.String())
	})
	logs.Process.Signal(syscall.SIGINT)
	if r := logs.wait(); r.code != 0 {
		m.t.Errorf("svc logs -f ended by Ctrl-C: exit code %d\n%s", r.code, r.stderr)
	}
}

// rollBack deploys a second version, then the first one again, without a failed request.
func (m *machine) rollBack(address, first string) {
	m.t.Helper()
	m.write("app.conf", "second\n")
	m.write("Dockerfile", "FROM scratch\nCOPY app /app\nCOPY app.conf /app.conf\nENTRYPOINT [\"/app\"]\n")
	m.must("up")
	if second := m.revision(); second == first {
		m.t.Errorf("other files, the same revision %s", second)
	}
	stop := watch(address)
	m.must("svc", "deploy", "dev", "-t", first)
	if asked, failed := stop(); len(failed) > 0 {
		m.t.Errorf("%d of %d requests failed during svc deploy: %v", len(failed), asked, failed)
	}
	if now := m.revision(); now != first {
		m.t.Errorf("rolled back to %s, want %s", now, first)
	}
}
