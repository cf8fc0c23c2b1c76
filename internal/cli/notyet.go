package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// notYet are mu's commands that slipway does not have yet. They are known, so that the answer is not "unknown command".
func notYet() []*cobra.Command {
	var commands []*cobra.Command
	for _, names := range [][]string{{"database", "db"}, {"pipeline"}, {"catalog", "cat"}, {"purge"}} {
		commands = append(commands, &cobra.Command{
			Use: names[0], Aliases: names[1:], Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return fmt.Errorf("the command %s of mu is not supported yet", names[0])
			},
		})
	}
	return commands
}
