package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sealdav/internal/config"
)

// checkTimeout bounds what a remote may take to be checked.
const checkTimeout = 2 * time.Minute

func checkCommand() command {
	return command{
		name:  "check",
		args:  "[--config FILE] [--json] [REMOTE...]",
		short: "validates the configuration and tries each remote",
		long: `
Validates the configuration and then tries each remote, or those named: lists
it, writes a small object, reads it back, reads it without the key (which must
fail), copies it and deletes both. A remote that is read_only is only listed.
Each failure comes with its meaning and its cure. URLs in place of names are
checked as serve would serve them.
` + configHelp + `

With --json a wrong configuration is {"findings": [...]} in place of the list of
results.

Exit status: 0 all is well, 1 a remote failed, 2 the configuration is wrong.`,
		setup: func(flags *flag.FlagSet) runner {
			k := &check{
				config: configFlag(flags),
				json:   flags.Bool("json", false, "prints the results as JSON"),
			}
			return k.run
		},
	}
}

type check struct {
	config *string
	json   *bool
}

// report is the outcome of one remote.
type report struct {
	Remote     string `json:"remote"`
	URL        string `json:"url"`
	Encryption string `json:"encryption"`
	OK         bool   `json:"ok"`
	Steps      []step `json:"steps"`
}

// The results of a step.
const (
	resultOK      = "ok"
	resultFailed  = "failed"
	resultSkipped = "skipped"
)

// step is one thing that was tried.
type step struct {
	Name    string `json:"step"`
	Result  string `json:"result"`
	Detail  string `json:"detail,omitempty"`  // what was seen, or why it was skipped
	Error   string `json:"error,omitempty"`   // what failed
	Meaning string `json:"meaning,omitempty"` // of the failure
	Cure    string `json:"cure,omitempty"`
}

func (k *check) run(ctx context.Context, c *cli, args []string) error {
	cfg, remotes, err := k.load(c, args)
	if findings, ok := errors.AsType[config.Findings](err); ok && *k.json {
		if err := printJSON(c.stdout, map[string]config.Findings{"findings": findings}); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	// A server may be running on the state folder: it is left alone.
	cfg.Server.State = ""
	opener := newOpener(cfg.Server, c.logger(config.Level(slog.LevelError)))
	reports := []report{}
	failed := 0
	for _, r := range remotes {
		rep := checkRemote(ctx, opener, r)
		if !rep.OK {
			failed++
		}
		reports = append(reports, rep)
	}
	if err := k.print(c.stdout, reports); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d remotes failed", failed, len(reports))
	}
	return nil
}

// load reads the configuration and picks the remotes that args name.
func (k *check) load(c *cli, args []string) (*config.Config, []config.Remote, error) {
	var urls []string
	if len(args) > 0 && strings.Contains(args[0], "://") {
		urls, args = args, nil
	}
	cfg, warnings, err := c.load(*k.config, urls)
	for _, w := range warnings {
		fmt.Fprintf(c.stderr, "warning: %s\n", w)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(args) == 0 {
		return cfg, cfg.Remotes, nil
	}
	var remotes []config.Remote
	for _, name := range args {
		i := slices.IndexFunc(cfg.Remotes, func(r config.Remote) bool { return r.Name == name })
		if i < 0 {
			return nil, nil, usagef("there is no remote %q in the configuration", name)
		}
		remotes = append(remotes, cfg.Remotes[i])
	}
	return cfg, remotes, nil
}

// checkRemote tries one remote.
func checkRemote(ctx context.Context, o *opener, r config.Remote) report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	p := &probe{opener: o, remote: r}
	p.run(ctx)
	rep := report{
		Remote: r.Name, URL: r.URL.String(), Encryption: r.Settings.Describe(r.URL.Store),
		OK: true, Steps: p.steps,
	}
	for i, s := range rep.Steps {
		rep.OK = rep.OK && s.Result != resultFailed
		if s.Result == resultFailed && errors.Is(ctx.Err(), context.DeadlineExceeded) && s.Meaning == "" {
			rep.Steps[i].Meaning = fmt.Sprintf("the remote took longer than %v", checkTimeout)
		}
	}
	return rep
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (k *check) print(w io.Writer, reports []report) error {
	if *k.json {
		return printJSON(w, reports)
	}
	for i, rep := range reports {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s  %s\n  encryption: %s\n", rep.Remote, rep.URL, rep.Encryption)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range rep.Steps {
			line := "  " + s.Name + "\t" + s.Result
			if s.Detail != "" {
				line += "\t" + s.Detail
			}
			fmt.Fprintln(table, line)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		for _, s := range rep.Steps {
			for _, line := range []struct{ label, text string }{{s.Name + " failed", s.Error}, {"meaning", s.Meaning}, {"cure", s.Cure}} {
				if line.text != "" {
					fmt.Fprintf(w, "  %s: %s\n", line.label, line.text)
				}
			}
		}
	}
	return nil
}
