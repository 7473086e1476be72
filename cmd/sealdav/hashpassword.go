package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
)

const (
	// hashCost is bcrypt's: about a quarter of a second for each guess.
	hashCost = 12
	// maxPassword is the longest password bcrypt takes, in bytes.
	maxPassword = 72
)

func hashPasswordCommand() command {
	return command{
		name:  "hash-password",
		short: "reads a password and prints its hash for [users]",
		long: `
Reads a password, from the terminal without showing it or else the first line
of standard input, and prints its bcrypt hash, for password_hash in a [users.NAME]
table of sealdav.toml.`,
		setup: func(*flag.FlagSet) runner { return runHashPassword },
	}
}

func runHashPassword(_ context.Context, c *cli, args []string) error {
	if len(args) > 0 {
		return usagef("takes no arguments: a password on the command line can be seen by others")
	}
	password, err := readPassword(c)
	if err != nil {
		return err
	}
	switch {
	case len(password) == 0:
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password is %d bytes long; bcrypt takes at most %d", len(password), maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword(password, hashCost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", hash)
	return err
}

// readHidden reads a line without showing it, and lets the terminal show what
// is typed again even if the process is interrupted.
func readHidden(fd int) ([]byte, error) {
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	defer close(interrupted)
	defer signal.Stop(interrupted)
	go func() {
		if _, ok := <-interrupted; ok {
			_ = term.Restore(fd, state)
			os.Exit(exitFailed)
		}
	}()
	return term.ReadPassword(fd)
}

// readPassword asks twice at a terminal, and reads one line of anything else.
func readPassword(c *cli) ([]byte, error) {
	if f, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		ask := func(prompt string) ([]byte, error) {
			fmt.Fprint(c.stderr, prompt)
			defer fmt.Fprintln(c.stderr)
			return readHidden(int(f.Fd()))
		}
		first, err := ask("Password: ")
		if err != nil {
			return nil, err
		}
		again, err := ask("Again: ")
		if err != nil {
			return nil, err
		}
		if string(first) != string(again) {
			return nil, errors.New("the passwords differ")
		}
		return first, nil
	}
	line, err := bufio.NewReader(c.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return []byte(strings.TrimRight(line, "\r\n")), nil
}
