package testserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RGW starts a Ceph RADOS Gateway of the test's own, with one monitor and one
// storage daemon that keeps everything in memory. SSE-C and SSE-KMS (with the
// key KMSKey) are enforced on reads and writes; COPY into SSE-C stores plain
// text.
func RGW(t testing.TB) *S3 {
	t.Helper()
	return begin(t, startRGW)
}

// SharedRGW is RGW(t), started once for all tests of the binary.
func SharedRGW(t testing.TB) *S3 {
	t.Helper()
	return share(t, &shared.rgw, startRGW)
}

// cephConfig is the smallest cluster: no authentication, one copy of each
// object, and a monitor that does not gather changes for a second before it
// agrees on them, which would make every pool take two seconds. %[1]s is the
// data folder, %[2]d the monitor's port, %[3]s the libraries' folder, %[4]s
// the KMS key with its value.
const cephConfig = `[global]
fsid = 5ea1da70-0000-4000-8000-000000000001
mon host = v2:127.0.0.1:%[2]d/0
public addr = 127.0.0.1
ms bind ipv6 = false
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
keyring = /dev/null

run dir = %[1]s
crash dir = %[1]s
mon data = %[1]s/mon
osd data = %[1]s/osd
admin socket =
log file =
mon cluster log file =
plugin dir = %[3]s/ceph
erasure code dir = %[3]s/ceph/erasure-code
osd class dir = %[3]s/rados-classes

paxos propose interval = 0.02
paxos min wait = 0.01
mon allow pool size one = true
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 8G
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0

rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = %[4]s
`

func startRGW() (_ *S3, err error) {
	root, err := tool("ceph")
	if err != nil {
		return nil, err
	}
	s, dir, port, err := newServer()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	c := &cluster{s: s, dir: dir, bin: filepath.Join(root, "usr/bin")}
	if err := c.configure(root); err != nil {
		return nil, err
	}
	if err := c.startDaemons(); err != nil {
		return nil, err
	}
	err = c.run("radosgw-admin", "user", "create", "--uid=test", "--display-name=test",
		"--access-key="+s.AccessKey, "--secret="+s.SecretKey)
	if err != nil {
		return nil, err
	}
	frontend := fmt.Sprintf("beast ssl_endpoint=127.0.0.1:%d ssl_certificate=%s ssl_private_key=%s", port, s.cert.certFile, s.cert.keyFile)
	gateway, err := c.daemon("radosgw", "-f", "--rgw-frontends="+frontend)
	if err != nil {
		return nil, err
	}
	return s, gateway.WaitFor(s.ready)
}

// cluster is what an RGW stands on.
type cluster struct {
	s        *S3
	dir, bin string
	env      []string
	monPort  int
}

func (c *cluster) configure(root string) error {
	lib, err := filepath.Glob(filepath.Join(root, "usr/lib/*/rados-classes"))
	if err != nil || len(lib) != 1 {
		return fmt.Errorf("%s holds no Ceph for this machine: remove it and run: make tools", root)
	}
	libDir := filepath.Dir(lib[0])
	if c.monPort, err = FreePort(); err != nil {
		return err
	}
	for _, d := range []string{"mon", "osd"} {
		if err := os.Mkdir(filepath.Join(c.dir, d), 0o700); err != nil {
			return err
		}
	}
	kms := make([]byte, 32)
	_, _ = rand.Read(kms) // never fails
	c.s.KMSKey = "sealdav-test-key"
	conf := filepath.Join(c.dir, "ceph.conf")
	text := fmt.Sprintf(cephConfig, c.dir, c.monPort, libDir, c.s.KMSKey+"="+base64.StdEncoding.EncodeToString(kms))
	c.env = []string{
		"CEPH_CONF=" + conf,
		"LD_LIBRARY_PATH=" + strings.Join([]string{
			libDir, filepath.Join(libDir, "ceph"), filepath.Join(root, "lib", filepath.Base(libDir)),
		}, ":"),
	}
	return os.WriteFile(conf, []byte(text), 0o600)
}

// startDaemons lays out and starts the monitor and the storage daemon. The
// daemon is in the map from the start, so nobody has to tell the monitor.
func (c *cluster) startDaemons() error {
	monmap, osdmap := filepath.Join(c.dir, "monmap"), filepath.Join(c.dir, "osdmap")
	for _, args := range [][]string{
		{"monmaptool", "--create", "--fsid", "5ea1da70-0000-4000-8000-000000000001", "--addv", "a", fmt.Sprintf("[v2:127.0.0.1:%d/0]", c.monPort), monmap},
		{"osdmaptool", "--createsimple", "1", osdmap, "--pg_bits", "0"},
		{"ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--osdmap", osdmap},
		{"ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", "5ea1da70-0000-4000-8000-000000000002"},
	} {
		if args[0] == "ceph-osd" { // it asks the monitor for the cluster's map
			if _, err := c.daemon("ceph-mon", "-f", "-i", "a"); err != nil {
				return err
			}
		}
		if err := c.run(args[0], args[1:]...); err != nil {
			return err
		}
	}
	_, err := c.daemon("ceph-osd", "-f", "-i", "0")
	return err
}

// run runs one of Ceph's programs to its end.
func (c *cluster) run(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Env = append(os.Environ(), c.env...)
	log := &logBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, log)
	}
	return nil
}

// daemon starts one of Ceph's programs until the server is closed.
func (c *cluster) daemon(name string, args ...string) (*Process, error) {
	p, err := startServer(filepath.Join(c.bin, name), args, c.env)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.s.stop = append(c.s.stop, p.Kill)
	return p, nil
}
