package main

import (
	"flag"
	"log/slog"
	"os"

	"sealdav/internal/config"
)

// defaultConfig is read where neither --config, nor SEALDAV_CONFIG, nor a URL
// says what to serve.
const defaultConfig = "/etc/sealdav/sealdav.toml"

const configHelp = `
Without --config the file that SEALDAV_CONFIG names is read, else
` + defaultConfig + `.`

func configFlag(flags *flag.FlagSet) *string {
	return flags.String("config", "", "reads the configuration from `FILE`")
}

// load reads the configuration: of nothing but urls if there are any, else of
// a file.
func (c *cli) load(file string, urls []string) (*config.Config, config.Findings, error) {
	if len(urls) > 0 {
		if file != "" {
			return nil, nil, usagef("--config and URLs exclude each other: write the URLs into the configuration as [remotes.NAME]")
		}
		return config.FromURLs(urls, c.env)
	}
	if file == "" {
		file, _ = c.env("SEALDAV_CONFIG")
	}
	if file == "" {
		if _, err := os.Stat(defaultConfig); err != nil {
			return nil, nil, usagef("nothing to serve: give a URL (s3://bucket/prefix, file:///dir), or --config FILE; %s does not exist", defaultConfig)
		}
		file = defaultConfig
	}
	cfg, warnings, err := config.Load(file, c.env)
	if _, ok := err.(config.Findings); err != nil && !ok {
		return nil, nil, usageError{err} // the file cannot be read
	}
	return cfg, warnings, err
}

// logger writes to stderr, for people and for journald.
func (c *cli) logger(level config.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.Level(level)}))
}
