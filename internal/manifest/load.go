package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// File names that Find looks for, in this order.
const (
	FileName   = "slipway.yml"
	MuFileName = "mu.yml"
)

// Options are what a file's meaning depends on besides its text. The zero
// value reads a file in an empty process environment.
type Options struct {
	// Getenv looks up ${env:NAME}; os.LookupEnv is the usual one. Nil means
	// that no variable is set.
	Getenv func(name string) (value string, ok bool)
	// Namespace, when not empty, replaces the file's. It is checked like
	// one from the file.
	Namespace string
	// NamespaceSource says in an error where Namespace came from, for
	// example --namespace or MU_NAMESPACE.
	NamespaceSource string
	// DefaultServiceName names a service that has no name of its own: the
	// name of the folder. Load fills it in when it is empty.
	DefaultServiceName string
}

func (o Options) getenv(name string) (string, bool) {
	if o.Getenv == nil {
		return "", false
	}
	return o.Getenv(name)
}

// ErrNotFound is wrapped by Find when a folder has no manifest.
// It is an fs.ErrNotExist too.
var ErrNotFound error = notFound{}

type notFound struct{}

func (notFound) Error() string        { return "no manifest" }
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// Find gives the path of the manifest in a folder: slipway.yml, else mu.yml.
// When both are there slipway.yml is the one, so that a project can keep its
// mu.yml while it moves over. The error wraps ErrNotFound when neither is.
func Find(dir string) (string, error) {
	for _, name := range []string{FileName, MuFileName} {
		path := filepath.Join(dir, name)
		switch info, err := os.Stat(path); {
		case err == nil && info.Mode().IsRegular():
			return path, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("find the manifest: %w", err)
		}
	}
	return "", fmt.Errorf("%w: there is neither %s nor %s in %s; slipway init writes one", ErrNotFound, FileName, MuFileName, dir)
}

// Load reads and checks the file at path. A file that can be read and is
// not right gives Errors, with every mistake in it.
func Load(path string, opt Options) (*Manifest, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if opt.DefaultServiceName == "" {
		if abs, err := filepath.Abs(path); err == nil {
			opt.DefaultServiceName = filepath.Base(filepath.Dir(abs))
		}
	}
	return Parse(path, src, opt)
}

// Parse checks the text of a manifest. The name is used in messages, and its
// last part decides the default namespace. It touches nothing outside its
// arguments. Mistakes come back as Errors.
func Parse(name string, src []byte, opt Options) (*Manifest, error) {
	text := newSource(name, src)
	root, syntax := parseDocument(text, src)
	if syntax != nil {
		return nil, Errors{syntax}
	}
	d := &decoder{expander: &expander{src: text, opt: opt, written: map[*yaml.Node]string{}, broken: map[*yaml.Node]bool{}}}
	file := d.decode(fileKeys(), d.expand(root, ""), "")
	m := build(file, name, opt)
	c := &checker{decoder: d, file: file, manifest: m}
	c.check()
	if len(d.errors) > 0 {
		return nil, d.errors.sorted()
	}
	m.Warnings = c.warnings.sorted()
	return m, nil
}

// parseDocument gives the root node of the one document of a file. An empty
// file is a null.
func parseDocument(text *source, src []byte) (*yaml.Node, *Error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var first, second yaml.Node
	switch err := dec.Decode(&first); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}, nil
	case err != nil:
		return nil, syntaxError(text, err)
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
		return first.Content[0], nil
	case err != nil:
		return nil, syntaxError(text, err)
	}
	at := text.at(&second)
	return nil, text.report(at, KindSyntax, "", "a manifest is one YAML document; a second one begins here", "remove the line --- and what follows, or put it in a file of its own")
}
