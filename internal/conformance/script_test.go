package conformance_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is far more than anything here takes.
const patience = 60 * time.Second

// let NAME program arg...: runs the program, and gives what it prints as a variable.
func let(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: let NAME program arg...")
	}
	ts.Check(ts.Exec(args[1], args[2:]...))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// status N program arg...: the program must end with that exit code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program arg...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ends(ts, args[1:], want)
}

// refused aws arg...: the service must answer with an error, for which version 1 of the AWS CLI ends with 255 and version 2 with 254.
func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: refused aws arg...")
	}
	ends(ts, args, 254, 255)
}

// ends runs a program that must end with one of the exit codes.
func ends(ts *testscript.TestScript, args []string, want ...int) {
	err := ts.Exec(args[0], args[1:]...)
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		ts.Fatalf("%v", err)
	}
	code := 0
	if ended != nil {
		code = ended.ExitCode()
	}
	if !slices.Contains(want, code) {
		ts.Fatalf("exit code %d, want %v", code, want)
	}
}

// await PATTERN program arg...: runs the program until what it prints matches. The programs here know no better way to wait.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN program arg...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("in vain for %s: %v\n%s%s", args[0], err, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
		}
	}
}

// noise FILE SIZE: writes a file that does not compress, the same every time.
func noise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: noise FILE SIZE")
	}
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	content := make([]byte, size)
	source := rand.NewChaCha8([32]byte{3})
	_, err = source.Read(content)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}
