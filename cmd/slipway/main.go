// Command slipway ships a service to AWS, or to a twin of AWS on this machine, from one file.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"slipway.dev/internal/cli"
	"slipway.dev/internal/cli/twincmd"
)

// version is set at build time with -ldflags "-X main.version=1.2.3"; otherwise it is that of the module.
var version string

func main() {
	root := cli.New(versionOf())
	root.AddCommand(twincmd.New())
	arguments := cli.Arguments(root, os.Args[1:])
	root.SetArgs(arguments)
	err := root.ExecuteContext(context.Background())
	cli.Fail(err, arguments, os.Stdout, os.Stderr)
	os.Exit(cli.ExitCode(err))
}

func versionOf() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
