package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/manifest"
)

func TestChoosePriority(t *testing.T) {
	t.Parallel()
	paths := manifest.Service{Name: "web", PathPatterns: []string{"/*"}}
	both := manifest.Service{Name: "web", PathPatterns: []string{"/*"}, HostPatterns: []string{"a.example"}}
	special := manifest.Service{Name: "web", PathPatterns: []string{"/*", "/api/*"}}
	full := []rule{{"theirs", 1, "/a"}, {"their last", 39999, "/b"}, {"their all", 40000, "/*"}}
	given := func(s manifest.Service, n int) *manifest.Service { s.Priority = n; return &s }
	rules := []rule{{"ours", 3, "/*"}, {"theirs", 5, "/other"}}
	for name, test := range map[string]struct {
		service *manifest.Service
		rules   []rule
		ours    []string
		current int
		want    int
		err     string
	}{
		"the first of a listener":                   {service: &special, want: 1},
		"one more than the highest":                 {service: &special, rules: rules, want: 6},
		"an update keeps its number":                {service: &special, rules: rules, ours: []string{"ours"}, current: 3, want: 3},
		"a number it never used is not kept":        {service: &special, rules: rules, current: 5, want: 6},
		"the manifest's number":                     {service: given(paths, 4), rules: rules, want: 4},
		"the manifest's number on a redeploy":       {service: given(paths, 3), rules: rules, ours: []string{"ours"}, current: 3, want: 3},
		"the manifest's number is another's":        {service: given(paths, 5), rules: rules, err: "priority 5 of the service web is taken in the listener by the rule for /other"},
		"hosts take the number after it":            {service: given(both, 4), rules: rules, err: "priority 5 of the service web is taken"},
		"paths alone do not":                        {service: given(paths, 4), rules: rules, want: 4},
		"a kept number moves when hosts need space": {service: &both, rules: []rule{{"ours", 4, "/*"}, {"theirs", 5, "/"}}, ours: []string{"ours"}, current: 4, want: 6},
		"everything comes after all else":           {service: &paths, rules: rules, want: 40000},
		"everything deployed first":                 {service: &special, rules: []rule{{"theirs", 40000, "/*"}}, want: 1},
		"everything, a second time":                 {service: &paths, rules: full, want: 40001},
		"everything on an update":                   {service: &paths, rules: []rule{{"ours", 40007, "/*"}}, ours: []string{"ours"}, current: 40007, want: 40007},
		"everything moves up":                       {service: &paths, rules: rules, ours: []string{"ours"}, current: 3, want: 40000},
		"the special moves down":                    {service: &special, rules: []rule{{"ours", 40000, "/*"}, {"theirs", 5, "/x"}}, ours: []string{"ours"}, current: 40000, want: 6},
		"a host is special":                         {service: &both, rules: rules, want: 6},
		"a gap where the end is used":               {service: &both, rules: full, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := map[string]bool{}
			for _, arn := range test.ours {
				ours[arn] = true
			}
			got, err := choosePriority(test.rules, ours, test.service, test.current)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("%d, %v; want %d", got, err, test.want)
			}
		})
	}
}

func TestServiceURL(t *testing.T) {
	t.Parallel()
	twin := &Target{Name: TargetTwin, EndpointURL: "http://127.0.0.1:4566"}
	for _, test := range []struct {
		target   *Target
		base     string
		patterns []string
		want     string
	}{
		{twin, "http://x.elb.localhost", []string{"/*"}, "http://x.elb.localhost:4566/"},
		{twin, "http://x.elb.localhost", []string{"/shop/*", "/cart"}, "http://x.elb.localhost:4566/shop/"},
		{twin, "http://x.elb.localhost", []string{"/api?/x"}, "http://x.elb.localhost:4566/api"},
		{twin, "http://x.elb.localhost:8080", nil, "http://x.elb.localhost:8080/"},
		{twin, "http://x.elb.amazonaws.com", nil, "http://x.elb.amazonaws.com/"},
		{&Target{Name: TargetAWS}, "http://x.eu-west-1.elb.amazonaws.com", []string{"/*"}, "http://x.eu-west-1.elb.amazonaws.com/"},
	} {
		if got := test.target.serviceURL(test.base, &manifest.Service{PathPatterns: test.patterns}); got != test.want {
			t.Errorf("%s %v: %s, want %s", test.base, test.patterns, got, test.want)
		}
	}
}

func TestInDeletionOrder(t *testing.T) {
	t.Parallel()
	var stacks []*Stack
	for _, s := range []struct{ name, kind, env, service string }{
		{"n-iam-common", "iam", "", ""}, {"n-vpc-dev", "vpc", "dev", ""}, {"n-loadbalancer-dev", "loadbalancer", "dev", ""},
		{"n-environment-dev", "environment", "dev", ""}, {"n-service-b-dev", "service", "dev", "b"}, {"n-service-a-dev", "service", "dev", "a"},
		{"n-iam-service-a-dev", "iam", "dev", "a"}, {"n-iam-environment-dev", "iam", "dev", ""}, {"n-repo-a", "repo", "", "a"},
	} {
		stacks = append(stacks, &Stack{Name: s.name, Tags: map[string]string{"mu:type": s.kind, "mu:environment": s.env, "mu:service": s.service}})
	}
	want := [][]string{
		{"n-service-a-dev", "n-service-b-dev"}, {"n-environment-dev", "n-iam-service-a-dev"}, {"n-loadbalancer-dev"},
		{"n-iam-environment-dev", "n-vpc-dev"}, {"n-repo-a"}, {"n-iam-common"},
	}
	if diff := cmp.Diff(want, inDeletionOrder(stacks)); diff != "" {
		t.Error(diff)
	}
}

func TestNamespaceOwnsItsStacksOnly(t *testing.T) {
	t.Parallel()
	p := &Project{Manifest: &manifest.Manifest{Namespace: "a"}}
	for name, kind := range map[string]string{"a-vpc-dev": "vpc", "a-target-dev": "vpc", "a-iam-common": "iam"} {
		if !p.owns(&Stack{Name: name}, kind) {
			t.Errorf("%s is a's", name)
		}
	}
	if p.owns(&Stack{Name: "a-b-vpc-dev"}, "vpc") {
		t.Error("a-b-vpc-dev is a-b's")
	}
}

func TestDiagnosis(t *testing.T) {
	t.Parallel()
	task := func(code ecstypes.TaskStopCode, reason string, c ecstypes.Container) ecstypes.Task {
		c.Name = aws.String("web")
		return ecstypes.Task{TaskArn: aws.String("arn:aws:ecs:r:a:task/cluster/123"), StopCode: code, StoppedReason: &reason, Containers: []ecstypes.Container{c}}
	}
	for name, test := range map[string]struct {
		task   ecstypes.Task
		answer string
		log    []string
		want   string // empty when the task was stopped on purpose
	}{
		"exited": {
			task: task(ecstypes.TaskStopCodeEssentialContainerExited, "Essential container in task exited", ecstypes.Container{ExitCode: aws.Int32(3)}),
			log:  []string{"starting", "no database"},
			want: "container web exited with code 3\nlast lines of container web in task 123:\n  starting\n  no database",
		},
		"silent":       {task: task(ecstypes.TaskStopCodeEssentialContainerExited, "", ecstypes.Container{ExitCode: aws.Int32(0)}), want: "container web exited with code 0\ncontainer web in task 123 wrote nothing"},
		"memory":       {task: task(ecstypes.TaskStopCodeEssentialContainerExited, "", ecstypes.Container{ExitCode: aws.Int32(137), Reason: aws.String("OutOfMemoryError: Container killed due to memory usage")}), want: "container web exited with code 137 (OutOfMemoryError: Container killed due to memory usage)\ncontainer web in task 123 wrote nothing"},
		"no image":     {task: task(ecstypes.TaskStopCodeTaskFailedToStart, "", ecstypes.Container{Reason: aws.String("CannotPullContainerError: not found")}), want: "CannotPullContainerError: not found"},
		"sick":         {task: task(ecstypes.TaskStopCodeServiceSchedulerInitiated, "Task failed ELB health checks in (target-group x)", ecstypes.Container{}), answer: "Health checks failed with these codes: [500]", want: "the health check of GET /health on port 80 fails: Health checks failed with these codes: [500]"},
		"scaled in":    {task: task(ecstypes.TaskStopCodeServiceSchedulerInitiated, "Scaling activity initiated by (deployment x)", ecstypes.Container{ExitCode: aws.Int32(143)})},
		"user stopped": {task: task(ecstypes.TaskStopCodeUserInitiated, "slipway svc restart", ecstypes.Container{ExitCode: aws.Int32(0)})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := Diagnosis{Health: "/health", Port: 80, Answer: test.answer}
			if f, ok := taskFailureOf(test.task); ok {
				f.Log = test.log
				d.Tasks = append(d.Tasks, f)
			}
			if got := d.String(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestTokenNamesItsHolder(t *testing.T) {
	t.Parallel()
	token := newToken()
	if len(token) > 128 || notToken.MatchString(strings.ReplaceAll(token, "-", "")) {
		t.Errorf("CloudFormation takes letters, digits and dashes: %s", token)
	}
	if who, ok := readToken(token); !ok || !strings.HasPrefix(who, "slipway of user ") {
		t.Errorf("%s reads as %q, %v", token, who, ok)
	}
	if _, ok := readToken("Console-CreateStack-1"); ok {
		t.Error("the console's token is not ours")
	}
}

func TestMayTouch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		theirs, ours string
		skip, want   bool
	}{{"1.4.0", "1.9.2", false, true}, {"1.4.0", "2.0.0", false, false}, {"1.4.0", "2.0.0", true, true}, {"devel", "2.0.0", false, true}, {"v2.0.0", "2.1.0", false, true}} {
		p := &Project{Version: test.ours, SkipVersionCheck: test.skip}
		if err := p.mayTouch(&Stack{Tags: map[string]string{"mu:version": test.theirs}}); (err == nil) != test.want {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// The tag is the commit as long as the image can hold nothing else; the same files give the same tag.
func TestTag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tag := func() string {
		t.Helper()
		read, err := ReadGit(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		p := &Project{Dir: dir, Git: read, Manifest: &manifest.Manifest{Service: &manifest.Service{Dockerfile: "Dockerfile"}}}
		tag, err := p.Tag()
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	write("Dockerfile", "FROM scratch")
	write(".dockerignore", "docs\nbuild\n!build/out\n")
	write(".gitignore", "build\n")
	write("main.go", "package main")
	untracked := tag()
	if len(untracked) != 12 || tag() != untracked {
		t.Errorf("without git: %s, then %s", untracked, tag())
	}
	commit(t, dir)
	clean := tag()
	if len(clean) != 7 {
		t.Errorf("a clean tree's tag is %s", clean)
	}
	write("docs/page.md", "not in the image")
	write("build/scratch", "neither")
	if got := tag(); got != clean {
		t.Errorf("files that stay out of the image change the tag to %s", got)
	}
	write("build/out/program", "ignored by git, in the image")
	built := tag()
	if !strings.HasPrefix(built, clean+"-dirty-") || tag() != built {
		t.Errorf("with a built file: %s, then %s", built, tag())
	}
	write("build/out/program", "changed")
	if got := tag(); got == built {
		t.Error("another content has the same tag")
	}
}

func commit(t *testing.T, dir string) {
	t.Helper()
	for _, arguments := range [][]string{
		{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "x"},
	} {
		if said, err := exec.Command("git", append([]string{"-C", dir}, arguments...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", arguments, err, said)
		}
	}
}

func TestSlugOf(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://github.com/owner/name.git":                               "owner/name",
		"git@github.com:owner/name.git":                                   "owner/name",
		"https://github.com/owner/name":                                   "owner/name",
		"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/service": "service",
		"ssh://git.example.com/x.git":                                     "ssh://git.example.com/x.git",
		"":                                                                "",
	} {
		if got := slugOf(remote); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

func TestConnection(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	if _, err := ReadConnection(home); err == nil || !strings.Contains(err.Error(), ErrNoTwin.Error()) {
		t.Errorf("without a file: %v", err)
	}
	c := Connection{Endpoint: "http://127.0.0.1:1", AccessKeyID: "id", SecretAccessKey: "secret", PID: os.Getpid()}
	if err := c.Write(home); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(connectionFile(home))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the key: %v %v", info.Mode(), err)
	}
	if got, err := ReadConnection(home); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.Remove(home); err != nil {
		t.Error(err)
	}
	stale := exec.Command("true")
	if err := stale.Run(); err != nil {
		t.Fatal(err)
	}
	c.PID = stale.ProcessState.Pid()
	if err := c.Write(home); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConnection(home); err == nil || !strings.Contains(err.Error(), "ended without cleaning up") {
		t.Errorf("with a process that is gone: %v", err)
	}
}

func TestLogTailForgetsWhatCannotComeAgain(t *testing.T) {
	t.Parallel()
	begin := time.UnixMilli(1_000_000)
	tail := &logTail{from: begin, seen: map[string]time.Time{"old": begin, "new": begin.Add(time.Minute)}}
	tail.forget(begin.Add(-time.Second))
	if len(tail.seen) != 2 || !tail.from.Equal(begin) {
		t.Error("it went back")
	}
	tail.forget(begin.Add(time.Second))
	if _, there := tail.seen["old"]; there || len(tail.seen) != 1 {
		t.Errorf("%v", tail.seen)
	}
}
