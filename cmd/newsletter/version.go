package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionCommand prints what the tool was built from.
func versionCommand() *cobra.Command {
	return local(&cobra.Command{
		Use: "version", Short: "Print the version of the tool", Long: "Print the version of the tool: its module, revision and Go release.", Args: takes(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("the tool was built without a version")
			}
			revision, changed := "unknown revision", ""
			for _, s := range info.Settings {
				switch {
				case s.Key == "vcs.revision":
					revision = s.Value
				case s.Key == "vcs.modified" && s.Value == "true":
					changed = ", changed"
				}
			}
			fmt.Fprintf(stdout, "newsletter %s (%s%s), %s\n", info.Main.Version, revision, changed, info.GoVersion)
			return nil
		},
	})
}
