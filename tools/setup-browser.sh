#!/bin/sh
# Install what the tests marked "browser" need on Debian or Ubuntu: Chromium, node, and the npm packages of
# tests/browser (the proxy of a hub, a judge of accessibility). Run it as root; a second run changes nothing.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "setup-browser.sh: run me as root, Chromium has to be installed" >&2
    exit 1
fi

missing=""
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="chromium"
command -v npm >/dev/null || missing="$missing nodejs npm"
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086 - a list of packages
    apt-get install -q -y --no-install-recommends $missing fonts-dejavu-core
fi

# npm ci writes .package-lock.json: newer than the lock file means that nothing changed.
cd tests/browser
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund
fi
echo "browser tests: $(command -v "${CHROMIUM:-chromium}" || command -v chromium-browser), node $(node --version)"
