package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X main.version=v1.2.3); otherwise the build
// information tells.
var version string

func versionCommand() command {
	return command{
		name:  "version",
		short: "prints the version",
		long:  "Prints the version of sealdav, the commit it was built from, and the Go that built it.",
		setup: func(*flag.FlagSet) runner { return runVersion },
	}
}

func runVersion(_ context.Context, c *cli, args []string) error {
	if len(args) > 0 {
		return usagef("takes no arguments")
	}
	_, err := fmt.Fprintln(c.stdout, versionLine())
	return err
}

func versionLine() string {
	v, commit := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value[:min(12, len(s.Value))] + commit
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += "+changes"
			}
		}
	}
	if v == "" {
		v = "(devel)"
	}
	if commit != "" {
		commit = " " + commit
	}
	return fmt.Sprintf("sealdav %s%s %s %s/%s", v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
