#!/bin/sh
# Installs what the tests need beside Python: as root, on Debian and its kin. Elsewhere it says what to install.
set -eu

missing=""
for pair in node:nodejs npm:npm redis-server:redis-server faketime:faketime prometheus:prometheus chromium:chromium; do
    command -v "${pair%%:*}" > /dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq
    # Unquoted on purpose: one word for each package.
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
    echo "Missing:$missing. The tests that need them are skipped; to run those too: apt-get install$missing" >&2
fi
