package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/tests/harness"
)

// gvfsScript is GNOME's work on a drive, which $DAV is the address of: what
// Files does, by the command that goes through the same library. The functions
// say what has to come out.
const gvfsScript = `
same() { if [ "$1" != "$2" ]; then echo "got: $1"; echo "want: $2"; exit 1; fi; }
fails() { if "$@"; then echo "succeeded: $*"; exit 1; fi; }
gio mount --anonymous "$DAV"
gio info --attributes 'standard::type' "$DAV" | grep 'standard::type: 2'

gio mkdir "$DAV/letters"
head -c 300000 /dev/urandom >big
gio copy big "$DAV/letters/a.bin"
gio cat "$DAV/letters/a.bin" | cmp - big
gio info "$DAV/letters/a.bin" | grep 'standard::size: 300000'
gio list -l "$DAV/letters" | grep 'a.bin.*300000.*regular'

# A new file, one over it, and one that is edited and saved.
echo first | gio save "$DAV/letters/note"
echo second | gio save "$DAV/letters/note"
same "$(gio cat "$DAV/letters/note")" second
etag=$(gio info --attributes etag::value "$DAV/letters/note" | sed -n 's/.*etag::value: //p')
test -n "$etag"
echo third | gio save --etag="$etag" "$DAV/letters/note"
same "$(gio cat "$DAV/letters/note")" third
echo bytes >short
gio copy short "$DAV/letters/note"
same "$(gio cat "$DAV/letters/note")" bytes

# Renamed, moved, copied on the drive, moved off it.
gio rename "$DAV/letters/note" renamed
gio move "$DAV/letters/renamed" "$DAV/moved"
gio copy "$DAV/moved" "$DAV/letters/copied"
same "$(gio cat "$DAV/letters/copied")" bytes
fails gio move --no-target-directory --interactive "$DAV/nothing" "$DAV/x" </dev/null
gio rename "$DAV/letters" papers
same "$(gio list "$DAV/papers" | sort | tr '\n' ' ')" "a.bin copied "
gio move "$DAV/papers/copied" here
same "$(cat here)" bytes

# There is no trash on a drive; what goes is gone.
fails gio trash "$DAV/moved"
gio remove "$DAV/moved"
fails gio info "$DAV/moved"
fails gio remove "$DAV/papers"
gio remove "$DAV/papers/a.bin"
gio remove "$DAV/papers"
same "$(gio list "$DAV")" ""

# Names, each by its address, which the test has escaped.
gio mkdir "$DAV/odd"
while IFS='	' read -r address name; do
	printf before | gio save "$DAV/odd/$address"
	printf %s "$name" | gio save "$DAV/odd/$address"
	gio move "$DAV/odd/$address" "$DAV/odd/$address.2"
	case $name in
	-*) gio move "$DAV/odd/$address.2" "$DAV/odd/$address" ;; # which gio rename takes for an option
	*) gio rename "$DAV/odd/$address.2" "$name" ;;
	esac
	same "$(gio cat "$DAV/odd/$address")" "$name"
done <names
same "$(gio list --hidden "$DAV/odd" | LC_ALL=C sort)" "$(cut -f2 names | LC_ALL=C sort)"
gio mount --unmount "$DAV"
`

// TestGVFS drives GNOME's virtual file system, in a session of its own.
func TestGVFS(t *testing.T) {
	session := program(t, "dbus-run-session")
	program(t, "gio")
	if _, err := os.Stat("/usr/libexec/gvfsd-dav"); err != nil {
		t.Fatalf("gvfs is missing: run, as root: make tools (%v)", err)
	}
	for _, remote := range localAndS3 {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			dir := t.TempDir()
			var names strings.Builder
			for _, name := range oddNames {
				fmt.Fprintf(&names, "%s\t%s\n", escapePath(name), name)
			}
			if err := os.WriteFile(filepath.Join(dir, "names"), []byte(names.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			// Daemons of the session outlive the script and keep its output
			// open, so that it goes to a file.
			log, err := os.Create(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd := exec.CommandContext(t.Context(), session, "--", "bash", "-euo", "pipefail", "-c", "set -x"+gvfsScript)
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
			cmd.Env = []string{
				"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "LC_ALL=C.UTF-8", "no_proxy=*",
				"DAV=" + strings.Replace(s.URL, "http://", "dav://", 1) + "/drive",
			}
			if err := cmd.Run(); err != nil {
				out, _ := os.ReadFile(log.Name())
				t.Fatalf("%v\n%s", err, out)
			}
			wantDrive(t, s, "/drive/odd/", oddNames, func(name string) string { return name })
		})
	}
}
