#!/bin/sh
# Install what the tests marked "services" need on Debian or Ubuntu: PostgreSQL with PostGIS, and the Python
# packages of the extra "services". Run it as root; a second run changes nothing.
#   PYTHON=…/bin/python tools/setup-test-services.sh     (PYTHON: where the packages go; left out: only PostgreSQL)
set -eu

if [ "$(id -u)" != 0 ]; then
    echo "setup-test-services.sh: run me as root, PostgreSQL has to be installed" >&2
    exit 1
fi

# The folder of the newest PostgreSQL server that has PostGIS, or nothing.
have_postgis() {
    for control in /usr/share/postgresql/*/extension/postgis.control; do
        [ -e "$control" ] || continue
        version=${control#/usr/share/postgresql/}
        version=${version%%/*}
        [ -x "/usr/lib/postgresql/$version/bin/initdb" ] && echo "/usr/lib/postgresql/$version" && return 0
    done
    return 1
}

if have_postgis >/dev/null; then
    echo "PostgreSQL with PostGIS is here: $(have_postgis)"
else
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends postgresql
    version=$(ls /usr/lib/postgresql | sort -n | tail -n 1)
    apt-get install -q -y --no-install-recommends "postgresql-$version-postgis-3" postgis
    have_postgis
fi

if [ -n "${PYTHON:-}" ]; then
    "$PYTHON" -m pip install -q 'pypgstac[psycopg]>=0.9' 'rustac>=0.9' 'stac-fastapi.pgstac>=5' 'uvicorn>=0.30'
fi
