// Package internal_test holds what is true of the packages together.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "slipway.dev/internal/"

// rules say which packages may not import which: the two halves meet in AWS's public APIs and nowhere else. A name covers what is
// below it. An exception is a package below the first that is free of the rule.
var rules = []struct {
	packages, mayNotImport []string
	except                 string
	why                    string
}{
	{
		packages: []string{"manifest", "blueprint", "delivery", "cli"}, mayNotImport: []string{"twin"}, except: "cli/twincmd",
		why: "the tool knows the twin as it knows AWS: by its API",
	},
	{
		packages: []string{"twin"}, mayNotImport: []string{"manifest", "blueprint", "delivery", "cli", "ui"},
		why: "the twin knows nothing of the tool, as AWS does not",
	},
	{
		packages: []string{"cfn"}, mayNotImport: []string{"twin", "manifest", "blueprint", "delivery", "cli", "ui", "engine"},
		why: "the CloudFormation language knows no server and no tool",
	},
	{
		packages: []string{"engine"}, mayNotImport: []string{"twin", "manifest", "blueprint", "delivery", "cli", "ui", "cfn"},
		why: "the door to the container engine is used by both halves and belongs to neither",
	},
	{
		packages: []string{"manifest"}, mayNotImport: []string{"blueprint", "delivery", "cli", "ui", "engine"},
		why: "the manifest is what the user wrote, not what becomes of it",
	},
	{
		packages: []string{"blueprint"}, mayNotImport: []string{"delivery", "cli", "ui", "engine"},
		why: "rendering needs no network",
	},
	{
		packages: []string{"delivery"}, mayNotImport: []string{"cli", "ui"},
		why: "workflows report events; how they look is others' business",
	},
}

func TestImports(t *testing.T) {
	t.Parallel()
	imports := importsOf(t)
	for _, rule := range rules {
		for _, name := range rule.packages {
			checked := 0
			for importer, imported := range imports {
				if !within(importer, name) || rule.except != "" && within(importer, rule.except) {
					continue
				}
				checked++
				for _, target := range imported {
					for _, forbidden := range rule.mayNotImport {
						if within(target, forbidden) {
							t.Errorf("%s imports %s: %s", importer, target, rule.why)
						}
					}
				}
			}
			if checked == 0 {
				t.Errorf("the rule about %s is about no package", name)
			}
		}
	}
}

// The EC2 client alone takes longer to build than everything else.
func TestNoEC2Client(t *testing.T) {
	t.Parallel()
	for importer, imported := range importsOf(t) {
		for _, target := range imported {
			if strings.HasPrefix(target, "github.com/aws/aws-sdk-go-v2/service/ec2") {
				t.Errorf("%s imports %s", importer, target)
			}
		}
	}
}

// importsOf reads the imports of every package below internal, tests left out: those may hold both halves against each other.
// Packages of this module are named without the module's path.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		importer := filepath.ToSlash(filepath.Dir(path))
		imports[importer] = append(imports[importer], "")
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			imports[importer] = append(imports[importer], strings.TrimPrefix(name, module))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}

func within(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }
