package cli

import (
	"slices"
	"strings"
	"testing"

	"slipway.dev/internal/delivery"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"-s svc logs dev -s web":    "-s svc logs dev --service web",
		"service logs dev -sweb -f": "service logs dev --service=web -f",
		"svc exec -s web dev ls -s": "svc exec --service web dev ls -s",
		"svc exec dev ls -s":        "svc exec dev ls -s",
		"svc exec dev -- ls -s":     "svc exec dev -- ls -s",
		"-p prod svc push -p ecr":   "-p prod svc push --provider ecr",
		"init -P 3000":              "init --port 3000",
		"-P http://proxy up":        "-P http://proxy up",
		"svc deploy dev -s":         "svc deploy dev -s",
		"no such command -s":        "no such command -s",
	} {
		got := strings.Join(Arguments(New("1"), strings.Fields(given)), " ")
		if got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}

// Every command has a word of help, and no shorthand clashes: cobra finds those only when a command is run.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	pending := New("1").Commands()
	for len(pending) > 0 {
		c := pending[0]
		pending = append(pending[1:], c.Commands()...)
		if c.Short == "" && !c.Hidden {
			t.Errorf("%s has no help", c.CommandPath())
		}
		c.InheritedFlags() // panics where a shorthand is defined twice
		c.Flags()
	}
}

func TestGoingOn(t *testing.T) {
	t.Parallel()
	text := goingOn([]delivery.Event{{Stack: "n-vpc-dev", Operation: delivery.Create}, {Stack: "n-service-web-dev", Operation: delivery.Update}})
	for _, want := range []string{"stack n-vpc-dev: is being created; it finishes, or is rolled back to nothing", "stack n-service-web-dev: is being updated", "slipway svc show"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if text := goingOn(nil); !strings.HasPrefix(text, "nothing is under way") {
		t.Error(text)
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	codes := []int{ExitCode(nil), ExitCode(delivery.ErrDeclined), ExitCode(ErrInterrupted), ExitCode(&delivery.ExitError{Code: 7})}
	if !slices.Equal(codes, []int{0, 1, 130, 7}) {
		t.Error(codes)
	}
}
