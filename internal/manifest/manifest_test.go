package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// parse reads a slipway.yml that must be right.
func parse(t *testing.T, src string) *Manifest {
	t.Helper()
	m, err := Parse(FileName, []byte(src), Options{Getenv: environ, DefaultServiceName: "folder"})
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	return m
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	m := parse(t, "environments: [{name: a}]\nservice: {}\n")
	m.Service.Pos, m.Environments[0].Pos = Position{}, Position{}
	want := &Manifest{
		Path:      FileName,
		Namespace: "slipway",
		Environments: []Environment{{Name: "a", Provider: "ecs", Cluster: Cluster{
			InstanceType: "t3.micro", InstanceTenancy: "default", DesiredCapacity: 1, MinSize: 1, MaxSize: 2,
			TargetCPUReservation: 75, TargetMemoryReservation: 75,
		}}},
		Service: &Service{
			Name: "folder", DesiredCount: 2, MinSize: 1, MaxSize: 2, Dockerfile: "Dockerfile", Port: 8080, Protocol: "HTTP",
			HealthEndpoint: "/health", CPU: 10, Memory: 300, NetworkMode: "bridge", DeploymentStrategy: "blue_green",
			TargetCPUUtilization: 75,
		},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNamespaceDefaultsByFileName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, given, want string }{
		{"slipway.yml", "", "slipway"},
		{"/a/mu.yml", "", "mu"},
		{"mu-production.yml", "", "mu"},
		{"other.yml", "", "slipway"},
		{"mu.yml", "given", "given"},
	} {
		m, err := Parse(c.name, []byte("environments: [{name: a}]"), Options{Namespace: c.given})
		if err != nil || m.Namespace != c.want {
			t.Errorf("%s with %q: %v, %v; want %s", c.name, c.given, m, err, c.want)
		}
	}
}

func TestNamespaceFromOutsideIsChecked(t *testing.T) {
	t.Parallel()
	_, err := Parse(FileName, nil, Options{Namespace: "no spaces", NamespaceSource: "--namespace"})
	want := `--namespace: namespace: "no spaces" is not allowed; expected ` + namespaceWords
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestSizesGiveWayToWhatIsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes                string
		desired, least, most int
	}{
		{"", 2, 1, 2},
		{"desiredCount: 4", 4, 1, 4},
		{"desiredCount: 0", 0, 0, 2},
		{"maxSize: 1", 1, 1, 1},
		{"maxSize: 0", 0, 0, 0},
		{"minSize: 3", 3, 3, 3},
		{"minSize: 0", 2, 0, 2},
		{"minSize: 2, maxSize: 9", 2, 2, 9},
		{"minSize: 4, maxSize: 9", 4, 4, 9},
		{"desiredCount: 3, maxSize: 5", 3, 1, 5},
	} {
		s := parse(t, "service: {"+c.sizes+"}").Service
		if s.DesiredCount != c.desired || s.MinSize != c.least || s.MaxSize != c.most {
			t.Errorf("{%s}: desired %d, min %d, max %d; want %d, %d, %d",
				c.sizes, s.DesiredCount, s.MinSize, s.MaxSize, c.desired, c.least, c.most)
		}
	}
}

func TestScalarsAreTakenAsText(t *testing.T) {
	t.Parallel()
	m := parse(t, "service:\n  name: 2020\n  protocol: https\n  environment: {A: 1.10, B: yes, C: 0x10, D: 2020-01-02, E: \"null\"}\n")
	got := m.Service.Name + " " + m.Service.Protocol
	for _, v := range m.Service.Environment {
		got += " " + v.Name + "=" + v.Value
	}
	if want := "2020 HTTPS A=1.10 B=yes C=0x10 D=2020-01-02 E=null"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEmptyTextIsNoText(t *testing.T) {
	t.Parallel()
	m := parse(t, "namespace: ''\nservice: {name: '', healthEndpoint: '${env:EMPTY}', imageRepository: }\n")
	if m.Namespace != "slipway" || m.Service.Name != "folder" || m.Service.HealthEndpoint != "/health" {
		t.Errorf("an empty text replaced a default: %+v", m.Service)
	}
}

func TestSubstitution(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70_000)
	m := parse(t, `service:
  port: ${env:PORT}
  cpu: "${env:CPU:-256}"
  environment:
    ${env:VARIABLE}: a${env:PORT}b${env:PORT}
    EMPTY: "${env:EMPTY}"
    DEFAULT: ${env:EMPTY:-is empty}
    NO_DEFAULT: "[${env:NOTHING:-}]"
    SUB: ${AWS::Region}
    LONG: ${env:PORT}`+long+"\n")
	want := map[string]string{"FROM_OUTSIDE": "a8081b8081", "EMPTY": "", "DEFAULT": "is empty", "NO_DEFAULT": "[]",
		"SUB": "${AWS::Region}", "LONG": "8081" + long}
	got := map[string]string{}
	for _, v := range m.Service.Environment {
		got[v.Name] = v.Value
	}
	if diff := cmp.Diff(want, got); diff != "" || m.Service.Port != 8081 || m.Service.CPU != 256 {
		t.Errorf("port %d, cpu %d, variables -want +got:\n%s", m.Service.Port, m.Service.CPU, diff)
	}
}

// TestTemplatesKeepTheirMeaning writes a patch out again: functions, types
// and quoting survive; aliases, merge keys and variables are resolved.
func TestTemplatesKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	m := parse(t, `templates:
  b-.*:
    A: !Sub "${B}-${env:PORT}"
    C: [!Ref D, !GetAtt E.F, !If [G, !Ref AWS::NoValue, {H: 1}]]
    I: &shared
      J: null
      K: "8080"
      L: ${env:PORT}
      M: "${env:PORT}"
      N: ${env:TEXT}
      O: ${env:EMPTY}
    P: *shared
    Q: {<<: *shared, K: own}
    Fn::Splice: [0, 1, []]
  a: {Z: 1}
`)
	if m.Templates[0].Pattern != "b-.*" || m.Templates[1].Pattern != "a" {
		t.Errorf("not in file order: %v", m.Templates)
	}
	out, err := yaml.Marshal(m.Templates[0].Node)
	if err != nil {
		t.Fatal(err)
	}
	want := `A: !Sub "${B}-8081"
C: [!Ref D, !GetAtt E.F, !If [G, !Ref 'AWS::NoValue', {H: 1}]]
I:
    J: null
    K: "8080"
    L: 8081
    M: "8081"
    N: "null"
    O: ""
P:
    J: null
    K: "8080"
    L: 8081
    M: "8081"
    N: "null"
    O: ""
Q: {K: own, J: null, L: 8081, M: "8081", N: "null", O: ""}
Fn::Splice: [0, 1, []]
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAliasesAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("templates:\n  t:\n    a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n")
	for i := 1; i < 12; i++ {
		item := "*a" + string(rune('a'+i-2))
		if i == 1 {
			item = "*a0"
		}
		b.WriteString("    x" + string(rune('a'+i-1)) + ": &a" + string(rune('a'+i-1)) + " [" + strings.Repeat(item+", ", 9) + item + "]\n")
	}
	_, err := Parse(FileName, []byte(b.String()), Options{})
	if err == nil || !strings.Contains(err.Error(), "aliases unfold to more than") {
		t.Errorf("got %.200v", err)
	}
}

func TestPerEnvironmentValues(t *testing.T) {
	t.Parallel()
	m := parse(t, "service: {environment: {A: all, B: {Acceptance: one}}}")
	all, one := m.Service.Environment[0], m.Service.Environment[1]
	for _, c := range []struct {
		v         EnvVar
		env, want string
	}{{all, "any", "all"}, {one, "Acceptance", "one"}, {one, "acceptance", "one"}, {one, "production", ""}} {
		if got := c.v.For(c.env); got != c.want {
			t.Errorf("%s for %s is %q, want %q", c.v.Name, c.env, got, c.want)
		}
	}
}

func TestFindEnvironment(t *testing.T) {
	t.Parallel()
	m := parse(t, "environments: [{name: Acceptance}, {name: production}]")
	if env, err := m.FindEnvironment("ACCEPTANCE"); err != nil || env.Name != "Acceptance" {
		t.Errorf("got %v, %v", env, err)
	}
	_, err := m.FindEnvironment("staging")
	if !errors.Is(err, ErrUnknownEnvironment) || err.Error() != `unknown environment "staging": slipway.yml has Acceptance, production` {
		t.Errorf("got %v", err)
	}
}

func TestSharedVPC(t *testing.T) {
	t.Parallel()
	m := parse(t, "environments: [{name: Main}, {name: b, vpcTarget: {environment: MAIN}}, {name: c, vpcTarget: {environment: x, namespace: y}}]")
	own, other := m.Environments[1].VPCTarget, m.Environments[2].VPCTarget
	if own.Environment != "Main" || own.Namespace != "slipway" || other.Environment != "x" || other.Namespace != "y" {
		t.Errorf("got %+v and %+v", own, other)
	}
}

func TestRollingLimits(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[string][2]int{"blue_green": {100, 200}, "rolling": {50, 100}, "replace": {0, 100}} {
		s := parse(t, "service: {deploymentStrategy: "+strategy+"}").Service
		if least, most := s.RollingLimits(); [2]int{least, most} != want {
			t.Errorf("%s: %d to %d, want %v", strategy, least, most, want)
		}
	}
}

func TestPatternsMatchWholeNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, stack string
		want           bool
	}{
		{"mu-vpc-a", "mu-vpc-a", true},
		{"mu-vpc-a", "mu-vpc-ab", false},
		{"mu-.*-a", "mu-service-x-a", true},
		{"one|two", "two", true},
		{"one|two", "one-and-more", false},
	} {
		if got := (TagSet{Pattern: c.pattern}).Matches(c.stack); got != c.want {
			t.Errorf("%s matches %s: %v", c.pattern, c.stack, got)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Find(dir); !errors.Is(err, ErrNotFound) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder gives %v", err)
	}
	for _, name := range []string{MuFileName, FileName} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("service: {}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Find(dir); err != nil || filepath.Base(got) != name {
			t.Errorf("with %s there: %s, %v", name, got, err)
		}
	}
}

func TestLoadNamesTheServiceAfterTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "orders")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte("service: {port: 80}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Load(path, Options{})
	if err != nil || m.Service.Name != "orders" || m.Path != path {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := Load(filepath.Join(dir, "nothing.yml"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestFolderNameMustDoForAService(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"my_app", ""} {
		_, err := Parse(FileName, []byte("service: {port: 80}"), Options{DefaultServiceName: folder})
		if err == nil || !strings.Contains(err.Error(), "service.name: ") {
			t.Errorf("folder %q gives %v", folder, err)
		}
	}
}

func TestNoServiceIsNil(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"", "# only a comment\n", "service:\n", "environments: [{name: a}]\n"} {
		if m := parse(t, src); m.Service != nil {
			t.Errorf("%q gives a service: %+v", src, m.Service)
		}
	}
}
