package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sealdav/sse"
)

func keygenCommand() command {
	return command{
		name:  "keygen",
		args:  "[FILE]",
		short: "writes a new 32-byte key",
		long: `
Writes a new random key of 32 bytes into FILE, which must not exist and which
only you will be able to read (mode 0600). A remote uses it as
--sse-write-c-key fileb:///path. Without FILE the key is printed as base64:...,
which is also how an option takes it.

Keep a copy of the key where the bucket is not: without it the objects written
under it are lost.`,
		setup: func(*flag.FlagSet) runner { return runKeygen },
	}
}

func runKeygen(_ context.Context, c *cli, args []string) error {
	if len(args) > 1 {
		return usagef("takes one FILE")
	}
	key, err := sse.GenerateKey()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		_, err := fmt.Fprintf(c.stdout, "base64:%s\n", key.Base64())
		return err
	}
	path, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	if err := writeKey(path, key); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "wrote a new key; use it as fileb://%s, and keep a copy somewhere else\n", path)
	return nil
}

// writeKey writes a key into a new file, and leaves none behind that is not
// whole.
func writeKey(path string, key sse.Key) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and a key is never overwritten: objects under it would be lost; choose another name", path)
	}
	if err != nil {
		return err
	}
	b := key.Bytes()
	_, err = f.Write(b[:])
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
