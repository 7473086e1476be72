package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sealdav/internal/config"
	"sealdav/providers"
	"sealdav/sse"
)

const demoListen = "127.0.0.1:8080"

// demoFiles are what the demo's folder is filled with.
var demoFiles = []struct{ key, contentType, text string }{
	{"Read me.txt", "text/plain; charset=utf-8", "This file lies sealed on the disk, and you read it in the clear.\n" +
		"Change it, add others, move them about: what the drive writes is sealed with the same key.\n"},
	{"Letters/To Ada.txt", "text/plain; charset=utf-8", "Dear Ada,\n\nthe Engine has no pretensions whatever to originate anything.\n"},
	{"Tables/planets.csv", "text/csv; charset=utf-8", "planet,moons\nEarth,1\nMars,2\nJupiter,97\nSaturn,274\n"},
}

// runDemo serves a sealed folder that is removed at the end.
func runDemo(ctx context.Context, c *cli, listen string) (err error) {
	if listen == "" {
		listen = demoListen
	}
	cfg, key, err := demoConfig(listen)
	if err != nil {
		return err
	}
	dir := cfg.Remotes[0].URL.Path
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(dir))) }()
	log := c.logger(config.Level(slog.LevelWarn))
	remotes, err := openRemotes(ctx, cfg, log)
	defer closeRemotes(remotes, log)
	if err != nil {
		return err
	}
	if err := fillDemo(ctx, remotes[0].Bucket); err != nil {
		return err
	}
	return serveRemotes(ctx, cfg, remotes, log, func(address string) {
		printDemo(c, address, dir, key)
	})
}

// demoConfig makes a folder, a key beside it, and a configuration that joins
// the two, as a user would write it.
func demoConfig(listen string) (*config.Config, string, error) {
	top, err := os.MkdirTemp("", "sealdav-demo-")
	if err != nil {
		return nil, "", err
	}
	fail := func(err error) (*config.Config, string, error) {
		return nil, "", errors.Join(err, os.RemoveAll(top))
	}
	keyFile, dir := filepath.Join(top, "demo.key"), filepath.Join(top, "demo")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fail(err)
	}
	key, err := sse.GenerateKey()
	if err != nil {
		return fail(err)
	}
	if err := writeKey(keyFile, key); err != nil {
		return fail(err)
	}
	cfg, _, err := config.FromURLs([]string{"file://" + dir}, os.LookupEnv)
	if err != nil {
		return fail(err)
	}
	cfg.Remotes[0].Settings = sse.Settings{WriteKey: key}
	cfg.Server.Listen = listen
	cfg.Server.DrainTimeout = 5 * time.Second
	return cfg, keyFile, nil
}

func fillDemo(ctx context.Context, bucket providers.Bucket) error {
	for _, f := range demoFiles {
		opts := providers.PutOptions{Size: int64(len(f.text)), ContentType: f.contentType}
		if _, err := bucket.Put(ctx, f.key, strings.NewReader(f.text), opts); err != nil {
			return err
		}
	}
	return nil
}

func printDemo(c *cli, address, dir, keyFile string) {
	u, err := url.Parse(address)
	if err != nil {
		u = &url.URL{Host: demoListen}
	}
	drive := address + filepath.Base(dir) + "/"
	explorer := fmt.Sprintf(`\\%s@%s\DavWWWRoot\%s`, u.Hostname(), u.Port(), filepath.Base(dir))
	fmt.Fprintf(c.stdout, `A drive of a few files, sealed with a fresh key:

  browser   %[1]s
  curl      curl '%[1]sRead%%20me.txt'
            curl -T FILE %[1]s
  macOS     Finder, Go, Connect to Server: %[1]s
  Windows   Explorer, Map network drive: %[2]s
  davfs2    mount -t davfs %[1]s /mnt
  GNOME     Files, Other Locations: %[3]s
  cadaver   cadaver %[1]s

The sealed bytes lie in %[4]s
The key is in           %[5]s
Both are removed when you press Ctrl-C.
`, drive, explorer, "dav"+strings.TrimPrefix(drive, u.Scheme), dir, keyFile)
}
