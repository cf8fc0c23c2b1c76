package conformance_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestConformanceAWSCLI has the AWS CLI act out the stories of testdata/aws.
func TestConformanceAWSCLI(t *testing.T) {
	t.Parallel()
	need(t, "aws", "curl")
	tell(t, "aws", theTwin(t))
}

// TestConformanceDocker has Docker's client log in to the twin's registry, push to it and pull from it.
func TestConformanceDocker(t *testing.T) {
	t.Parallel()
	need(t, "aws", "docker")
	w := theTwin(t)
	w.image(t)
	tell(t, "docker", w)
}

// TestConformanceContainers runs tasks and services made with the AWS CLI alone, behind load balancers made with it.
func TestConformanceContainers(t *testing.T) {
	t.Parallel()
	need(t, "aws", "curl", "docker")
	w := theTwin(t)
	w.image(t)
	tell(t, "containers", w)
}

// TestConformanceHello brings up examples/hello with slipway, and has the AWS CLI look at what came of it.
func TestConformanceHello(t *testing.T) {
	t.Parallel()
	need(t, "aws", "curl", "docker", "python3")
	needBoto3(t)
	w := theTwin(t)
	w.image(t)
	tell(t, "slipway", w)
}

// TestConformanceBoto3 runs the test cases of testdata/boto3, a process a file.
func TestConformanceBoto3(t *testing.T) {
	t.Parallel()
	need(t, "python3", "docker")
	needBoto3(t)
	w := theTwin(t)
	w.image(t)
	files, err := filepath.Glob("testdata/boto3/test_*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("test cases: %v, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".py")
		t.Run(strings.TrimPrefix(name, "test_"), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			c := exec.CommandContext(ctx, "python3", "-m", "unittest", "-v", name)
			c.Dir, c.Env = "testdata/boto3", append(append(os.Environ(), w.env...), "PYTHONDONTWRITEBYTECODE=1", "HOME="+t.TempDir(), "IMAGE="+image)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			} else {
				t.Logf("%s", out)
			}
		})
	}
}

// TestConformanceTerraform applies, plans and destroys testdata/terraform with HashiCorp's AWS provider, which must be on this machine:
// the test downloads nothing.
func TestConformanceTerraform(t *testing.T) {
	t.Parallel()
	need(t, "terraform")
	if out, err := exec.Command("terraform", "fmt", "-check", "-diff", "testdata/terraform").CombinedOutput(); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
	provider := terraformProvider()
	if provider == nil {
		t.Skip("needs HashiCorp's AWS provider from a local mirror or plugin cache: set TF_CLI_CONFIG_FILE or TF_PLUGIN_CACHE_DIR, or fill ~/.terraform.d/plugins with: terraform providers mirror")
	}
	config, err := filepath.Abs("testdata/terraform")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, theTwin(t).params("terraform", append(provider, "CONFIG="+config)))
}

// terraformProvider is the environment in which Terraform finds its AWS provider without a network, nil where there is none.
func terraformProvider() []string {
	if file := os.Getenv("TF_CLI_CONFIG_FILE"); namesProviders(file) {
		return []string{"TF_CLI_CONFIG_FILE=" + file, "INIT=-no-color"}
	}
	mirrors := []string{os.Getenv("TF_PLUGIN_CACHE_DIR"), "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins"}
	if home, err := os.UserHomeDir(); err == nil {
		mirrors = append(mirrors, filepath.Join(home, ".terraform.d", "plugins"))
	}
	for _, dir := range mirrors {
		if _, err := os.Stat(filepath.Join(dir, "registry.terraform.io", "hashicorp", "aws")); dir != "" && err == nil {
			return []string{"INIT=-plugin-dir=" + dir}
		}
	}
	return nil
}

// namesProviders reports whether a configuration file of Terraform says where on this machine providers are.
func namesProviders(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && regexp.MustCompile(`filesystem_mirror|dev_overrides|plugin_cache_dir`).Match(text)
}

func tell(t *testing.T, stories string, w *world) { testscript.Run(t, w.params(stories, nil)) }
