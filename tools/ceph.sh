#!/usr/bin/env bash
# Unpacks Ceph's monitor, storage daemon and S3 gateway, from Debian's packages,
# into a folder, for the tests: nothing is installed and no service starts.
# Usage: tools/ceph.sh FOLDER
set -euo pipefail

dir=$(realpath -m "$1")
new=$dir.new
rm -rf "$new" "$dir"
mkdir -p "$new/archives/partial"

if [ -x /usr/bin/ceph-mon ] && [ -x /usr/bin/ceph-osd ] && [ -x /usr/bin/radosgw ]; then
	mkdir "$new/usr" # installed already: point there
	ln -s /usr/bin "$new/usr/bin"
	ln -s /usr/lib "$new/usr/lib"
else
	if [ "$(id -u)" = 0 ]; then
		apt-get -qq update
	fi
	# The locks of apt's own folders are not needed for a download, and only
	# root could take them.
	apt-get -qq -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Dir::Cache::archives="$new/archives" \
		install --download-only --yes --no-install-recommends ceph-mon ceph-osd radosgw >/dev/null
	for deb in "$new"/archives/*.deb; do
		dpkg-deb --extract "$deb" "$new"
	done
	rm -rf "$new/archives" "$new/usr/share" "$new/usr/lib/python3"
fi
mv "$new" "$dir"
