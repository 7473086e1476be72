// Command sealdav serves buckets as network drives over WebDAV, each under its
// own server-side encryption. Run sealdav help for its commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"sealdav/internal/config"
)

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// cli is what a command has of the world around it. Results go to stdout,
// everything else to stderr.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            config.Env
}

// runner is a command with its flags set.
type runner func(ctx context.Context, c *cli, args []string) error

// command is one of the commands, each in a file of its own.
type command struct {
	name  string
	args  string // how its arguments are written
	short string // one line
	long  string // for help COMMAND; the flags follow it
	// setup declares the flags and returns what to run once they are parsed.
	setup func(flags *flag.FlagSet) runner
}

func commands() []command {
	return []command{serveCommand(), checkCommand(), keygenCommand(), hashPasswordCommand(), versionCommand()}
}

// usageError is a wrong command line, or a configuration or an environment
// that must not be served.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() { os.Exit(run()) }

func run() int {
	c := &cli{os.Stdin, os.Stdout, os.Stderr, os.LookupEnv}
	return c.main(context.Background(), os.Args[1:])
}

// main runs the command that args name and returns the exit status.
func (c *cli) main(ctx context.Context, args []string) int {
	if len(args) == 0 {
		c.usage(c.stderr)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return c.help(args)
	case "-v", "-version", "--version":
		name = "version"
	}
	cmd, ok := find(name)
	if !ok {
		return c.noCommand(name)
	}
	flags := newFlags(cmd.name)
	execute := cmd.setup(flags)
	rest, err := parseFlags(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		cmd.usage(c.stdout)
		return exitDone
	case err != nil:
		fmt.Fprintf(c.stderr, "sealdav %s: %v; see sealdav help %s\n", cmd.name, err, cmd.name)
		return exitUsage
	}
	return c.report(cmd.name, execute(ctx, c, rest))
}

// report tells an error and returns the exit status it makes.
func (c *cli) report(name string, err error) int {
	if err == nil {
		return exitDone
	}
	if findings, ok := errors.AsType[config.Findings](err); ok {
		fmt.Fprintln(c.stderr, findings)
		return exitUsage
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(c.stderr, "sealdav %s: %s\n", name, strings.TrimRight(line, "\n"))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func find(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(cmd command) bool { return cmd.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

// noCommand answers a word that is no command. A long one may be a key in the
// wrong place, and is not repeated.
func (c *cli) noCommand(name string) int {
	if len(name) > 16 {
		name = fmt.Sprintf("(%d bytes)", len(name))
	}
	fmt.Fprintf(c.stderr, "sealdav: there is no command %q; see sealdav help\n", name)
	return exitUsage
}

// help answers sealdav help [COMMAND].
func (c *cli) help(args []string) int {
	if len(args) == 0 {
		c.usage(c.stdout)
		return exitDone
	}
	cmd, ok := find(args[0])
	if !ok {
		return c.noCommand(args[0])
	}
	cmd.usage(c.stdout)
	return exitDone
}

func (c *cli) usage(w io.Writer) {
	fmt.Fprint(w, "sealdav serves buckets as network drives, each under its own encryption.\n\nUsage: sealdav COMMAND [flags]\n\n")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-14s %s\n", cmd.name, cmd.short)
	}
	fmt.Fprint(w, "\nsealdav help COMMAND explains one. Try sealdav serve --demo first.\n"+
		"Exit status: 0 done, 1 failed, 2 wrong usage or configuration.\n")
}

func (cmd command) usage(w io.Writer) {
	fmt.Fprintf(w, "Usage: sealdav %s\n\n%s\n", strings.TrimSpace(cmd.name+" "+cmd.args), strings.TrimSpace(cmd.long))
	flags := newFlags(cmd.name)
	cmd.setup(flags)
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nFlags:\n")
			first = false
		}
		arg, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  %-18s %s\n", strings.TrimSpace("--"+f.Name+" "+arg), text)
	})
}

// newFlags returns a FlagSet that leaves the printing to us.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// parseFlags parses flags that may stand before, between and after the
// arguments, which it returns. After -- everything is an argument.
func parseFlags(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		if n := len(args) - flags.NArg(); n > 0 && args[n-1] == "--" {
			return append(rest, flags.Args()...), nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}
