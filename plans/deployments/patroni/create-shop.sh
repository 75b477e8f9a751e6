#!/bin/sh
# Makes the application's user and database, once, when Patroni has made the
# cluster (bootstrap.post_init). The password is in this program's environment.
set -eu
exec psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "$1" <<'SQL'
\getenv password APP_PASSWORD
CREATE ROLE app LOGIN PASSWORD :'password';
GRANT pg_monitor TO app;
CREATE DATABASE shop OWNER app;
SQL
