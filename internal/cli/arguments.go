package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shorthands are mu's one-letter flags that mean one thing before the command and another after it: -s is --silent, and after
// svc logs it is --service. Behind the command they are rewritten to the long flag.
var shorthands = map[string]map[string]string{
	"slipway svc logs":    {"-s": "--service"},
	"slipway svc restart": {"-s": "--service"},
	"slipway svc exec":    {"-s": "--service"},
	"slipway svc push":    {"-p": "--provider"},
	"slipway init":        {"-P": "--port"},
}

// Arguments spells mu's ambiguous shorthands out for the command that the arguments name.
func Arguments(root *cobra.Command, arguments []string) []string {
	command, _, err := root.Find(arguments)
	if err != nil {
		return arguments
	}
	long := shorthands[command.CommandPath()]
	at := slices.IndexFunc(arguments, func(a string) bool { return a == command.Name() || command.HasAlias(a) })
	if long == nil || at < 0 {
		return arguments
	}
	spelt := slices.Clone(arguments)
	words := 0
	for i := at + 1; i < len(spelt) && spelt[i] != "--"; i++ {
		a := spelt[i]
		if a[:min(len(a), 1)] != "-" {
			words++
		}
		if words > 1 && command.Name() == "exec" && !strings.HasPrefix(spelt[i-1], "-") {
			break // the rest is the user's own command
		}
		if len(a) < 2 || a[0] != '-' || a[1] == '-' {
			continue
		}
		if flag, ok := long[a[:2]]; ok && len(a) == 2 {
			spelt[i] = flag
		} else if ok {
			spelt[i] = flag + "=" + strings.TrimPrefix(a[2:], "=")
		}
	}
	return spelt
}
