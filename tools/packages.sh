#!/usr/bin/env bash
# Installs, as root on Debian, what the tests need beyond Go: WebDAV clients,
# FUSE, and the C compiler of the race detector. As anyone else it says what is
# missing.
set -euo pipefail

# program:package
wanted="
	litmus:litmus
	cadaver:cadaver
	mount.davfs:davfs2
	fusermount3:fuse3
	gio:libglib2.0-bin
	dbus-run-session:dbus
	chromium:chromium
	node:nodejs
	npm:npm
	curl:curl
	git:git
	gcc:gcc
	node:nodejs
	npm:npm
"
if [ ! -e /dev/fuse ] && [ "$(id -u)" = 0 ]; then
	mknod -m 666 /dev/fuse c 10 229 || true # the davfs2 test says what is wrong
fi

missing=()
for pair in $wanted; do
	if ! PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null; then
		missing+=("${pair##*:}")
	fi
done
if [ ! -e /usr/libexec/gvfsd-dav ]; then
	missing+=(gvfs gvfs-daemons gvfs-backends)
fi
if [ ${#missing[@]} = 0 ]; then
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing for the tests: ${missing[*]}: install them (apt-get install ${missing[*]})" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends "${missing[@]}" libc6-dev
