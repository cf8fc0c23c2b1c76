// Command gen makes the twin's view of AWS's APIs from the published service models.
//
//	go run ./internal/twin/api/gen -models DIR   reduce the models in DIR (botocore's data folder) and generate the types
//	go run ./internal/twin/api/gen               generate the types again from the reduced models already here
//
// operations.txt says which services there are and which operations of each have Go types. The reduced models keep every
// operation of a service, so that the wire knows an operation nobody serves yet from one that does not exist.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	models := flag.String("models", "", "botocore's data folder; empty: use the reduced models already here")
	dir := flag.String("dir", "internal/twin/api", "folder of the api packages")
	flag.Parse()
	if err := run(*dir, *models); err != nil {
		log.Fatal(err)
	}
}

func run(dir, models string) error {
	services, err := readOperations(filepath.Join(dir, "operations.txt"))
	if err != nil {
		return err
	}
	for _, s := range services {
		folder := filepath.Join(dir, s.pkg())
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		packed := filepath.Join(folder, "model.json.gz")
		if models != "" {
			if err := reduceFile(filepath.Join(models, s.Name), packed); err != nil {
				return fmt.Errorf("reduce %s: %w", s.Name, err)
			}
		}
		if err := generate(s, packed, filepath.Join(folder, "api_gen.go")); err != nil {
			return fmt.Errorf("generate %s: %w", s.Name, err)
		}
	}
	return nil
}

type service struct {
	Name       string
	Operations []string
}

// pkg is the Go package name of the service: AWS's name without dashes.
func (s service) pkg() string { return strings.ReplaceAll(s.Name, "-", "") }

// readOperations reads lines "service: Op Op Op"; indented lines continue the line above, # starts a comment.
func readOperations(path string) ([]service, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []service
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		name, rest, starts := strings.Cut(line, ":")
		if starts {
			out = append(out, service{Name: strings.TrimSpace(name)})
			line = rest
		}
		if words := strings.Fields(line); len(words) > 0 {
			last := &out[len(out)-1]
			last.Operations = append(last.Operations, words...)
		}
	}
	for i := range out {
		slices.Sort(out[i].Operations)
		out[i].Operations = slices.Compact(out[i].Operations)
	}
	return out, nil
}

// reduceFile packs the newest API version of a service, without its prose.
func reduceFile(folder, out string) error {
	versions, err := filepath.Glob(filepath.Join(folder, "*", "service-2.json.gz"))
	if err != nil || len(versions) == 0 {
		return fmt.Errorf("no service-2.json.gz under %s", folder)
	}
	slices.Sort(versions)
	doc, err := readGzip(versions[len(versions)-1])
	if err != nil {
		return err
	}
	var model map[string]any
	if err := json.Unmarshal(doc, &model); err != nil {
		return err
	}
	for key := range model {
		if !slices.Contains([]string{"metadata", "operations", "shapes"}, key) {
			delete(model, key)
		}
	}
	b, err := json.Marshal(dropProse(model, false))
	if err != nil {
		return err
	}
	return writeGzip(out, b)
}

var prose = []string{"documentation", "documentationUrl", "alternativeNames", "endpointdiscovery", "endpoint", "auth", "authtype",
	"deprecatedMessage", "deprecatedSince", "examples", "httpChecksumRequired", "staticContextParams", "contextParam", "operationContextParams", "eventheader"}

// dropProse removes what the wire does not need. Inside "members" and "shapes" the keys are names, not attributes.
func dropProse(v any, names bool) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if !names && slices.Contains(prose, key) {
				delete(v, key)
				continue
			}
			v[key] = dropProse(inner, !names && (key == "members" || key == "shapes" || key == "operations"))
		}
	case []any:
		for i := range v {
			v[i] = dropProse(v[i], false)
		}
	}
	return v
}

func readGzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func writeGzip(path string, b []byte) error {
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if _, err := z.Write(b); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o644)
}
