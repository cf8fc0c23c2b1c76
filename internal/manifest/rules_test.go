package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFargateSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cpu, memory, taskCPU, taskMemory int }{
		{10, 300, 256, 512},
		{256, 513, 256, 1024},
		{256, 1025, 256, 2048},
		{257, 1, 512, 1024},
		{1024, 2049, 1024, 3072},
		{2048, 16384, 2048, 16384},
		{4096, 30000, 4096, 30720},
		{4097, 1, 8192, 16384},
		{8192, 16385, 8192, 20480},
		{16384, 122880, 16384, 122880},
	} {
		cpu, memory, err := FargateSize(c.cpu, c.memory)
		if err != nil || cpu != c.taskCPU || memory != c.taskMemory {
			t.Errorf("%d/%d: %d/%d, %v; want %d/%d", c.cpu, c.memory, cpu, memory, err, c.taskCPU, c.taskMemory)
		}
	}
}

func TestFargateSizeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cpu, memory int
		key, hint   string
	}{
		{16385, 1, "cpu", "the largest size is 16384 (16 vCPU)"},
		{256, 2049, "memory", "set cpu to more than 256, up to 512, to get room for it"},
		{10, 30720, "memory", "set cpu to more than 2048, up to 4096, to get room for it"},
		{16384, 122881, "memory", "the largest size is 122880 MiB, with 16384 CPU units"},
	} {
		_, _, err := FargateSize(c.cpu, c.memory)
		size, ok := errors.AsType[*FargateSizeError](err)
		if !ok || size.Key != c.key || size.Hint != c.hint {
			t.Errorf("%d/%d: %v; want %s: %s", c.cpu, c.memory, err, c.key, c.hint)
		}
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	names := []string{"name", "port", "healthEndpoint", "minSize", "maxSize"}
	for wrong, want := range map[string]string{
		"prot": "port", "healthendpoint": "healthEndpoint", "health_endpoint": "healthEndpoint", "maxsize": "maxSize",
		"nam": "name", "Name": "name", "colour": "", "x": "",
	} {
		if got := closest(wrong, names); got != want {
			t.Errorf("closest to %s is %q, want %q", wrong, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"größe", "grösse", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%s to %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// TestSyntaxErrorsPointAtTheMistake gives the position of many kinds of
// broken YAML, which the library itself knows only roughly.
func TestSyntaxErrorsPointAtTheMistake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src          string
		line, column int
	}{
		{"a: [1, 2\nb: 3\n", 1, 4},
		{"service:\n  name: x\n\tport: 3\n", 3, 1},
		{"service:\n  name: x\n   port: 3\n", 3, 8},
		{"service:\n  name: \"x\n  port: 3\n", 2, 9},
		{"service: a: b\n", 1, 11},
		{"service:\n  name: @x\n", 2, 9},
		{"service:\n  - a\n  b: c\n", 3, 3},
		{"a: b\n\x01: c\n", 2, 1},
		{"a: *x\n", 1, 4},
		{"service:\n  name: x\n foo: y\n", 3, 2},
		{"a: \xff\n", 1, 4},
		{"a: b\nc: \"d\" e\n", 2, 8},
		{"a: b\r\nc: }\r\n", 2, 4},
	} {
		_, err := Parse(FileName, []byte(c.src), Options{})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != KindSyntax || e.Line != c.line || e.Column != c.column {
			t.Errorf("%q: want %d:%d, got\n%v", c.src, c.line, c.column, err)
		}
	}
}

func TestColumnsCountCharacters(t *testing.T) {
	t.Parallel()
	_, err := Parse(FileName, []byte("tags: {größe: {\"ä\": x, a;b: y}}"), Options{})
	e, _ := errors.AsType[*Error](err)
	if e == nil || e.Column != 24 {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(e.Error(), "\n")
	if at := len([]rune(lines[2])) - 1; []rune(lines[1])[at] != 'a' {
		t.Errorf("the caret is not under the key:\n%s", err)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	t.Parallel()
	padding := strings.Repeat("x", 5000)
	_, err := Parse(FileName, []byte("service: {name: a, healthEndpoint: /"+padding[:900]+", colour: red, dockerfile: "+padding+"}"), Options{})
	e, _ := errors.AsType[*Error](err)
	if e == nil {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(e.Error(), "\n")
	at := strings.Index(lines[2], "^")
	if len(lines[1]) > 200 || !strings.HasPrefix(string([]rune(lines[1])[at:]), "colour") {
		t.Errorf("the caret is not under the key, or the line is not cut:\n%s", err)
	}
}

// TestSyntaxErrorsInHugeFiles falls back to the library's line rather than
// searching for seconds.
func TestSyntaxErrorsInHugeFiles(t *testing.T) {
	t.Parallel()
	src := "a: b\nc: \"x\n" + strings.Repeat("d: a line of some forty characters or so\n", 5000)
	_, err := Parse(FileName, []byte(src), Options{})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Line < 1 || e.Line > 3 {
		t.Errorf("got %.300v", err)
	}
}

func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	_, err := Parse(FileName, []byte("servce: {}\n"), Options{})
	all, _ := errors.AsType[Errors](err)
	got, _ := json.Marshal(all)
	want := `[{"file":"slipway.yml","line":1,"column":1,"path":"servce","kind":"unknown-key","message":"unknown key","hint":"did you mean \"service\"?","source":"servce: {}"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestUnsupportedKeysAreRefusedByPath tries each key of mu that waits for a
// later day: none of them may be ignored.
func TestUnsupportedKeysAreRefusedByPath(t *testing.T) {
	t.Parallel()
	for _, path := range Unsupported() {
		key, value, isValue := strings.Cut(path, ": ")
		if !isValue {
			value = "{}"
		}
		src := manifestWith(key, value)
		_, err := Parse(FileName, []byte(src), Options{DefaultServiceName: "folder"})
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(key, "[]", "[0]")+": ") || !strings.Contains(err.Error(), "not supported yet") {
			t.Errorf("%s gives %v", src, err)
		}
	}
}

// manifestWith writes a manifest with one key at a path such as
// environments[].cluster.httpProxy.
func manifestWith(path, value string) string {
	parts := strings.Split(path, ".")
	out := value
	for i := len(parts) - 1; i >= 0; i-- {
		name, isList := strings.CutSuffix(parts[i], "[]")
		if isList {
			out = fmt.Sprintf("{%s: [{name: a, %s]}", name, strings.TrimPrefix(out, "{"))
		} else {
			out = fmt.Sprintf("{%s: %s}", name, out)
		}
	}
	return out
}
