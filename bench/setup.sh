#!/bin/sh
# Installs what the router is measured beside into .peers: all of it, or what is named (litellm, portkey).
# nginx and wrk come from the system: apt-get install nginx-light wrk, or brew install nginx wrk.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .peers

for peer in ${*:-litellm portkey}; do
  case $peer in
  litellm)
    [ -d .peers/litellm ] || "${PYTHON:-python3}" -m venv .peers/litellm
    .peers/litellm/bin/python -m pip install --quiet --disable-pip-version-check "litellm[proxy]"
    ;;
  portkey)
    mkdir -p .peers/portkey
    [ -f .peers/portkey/package.json ] || echo '{"private": true}' > .peers/portkey/package.json
    (cd .peers/portkey && npm install --no-fund --no-audit @portkey-ai/gateway)
    ;;
  *)
    echo "unknown: $peer; there are litellm and portkey" >&2
    exit 2
    ;;
  esac
done

for program in nginx wrk; do
  PATH="$PATH:/usr/sbin" command -v "$program" > /dev/null || echo "$program is not installed: see the top of this file"
done
