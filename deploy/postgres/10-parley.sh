#!/bin/sh
# Roles and database for Parley; runs once, on the first start of the PostgreSQL image.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" \
  -v owner="$PARLEY_OWNER_PASSWORD" -v app="$PARLEY_APP_PASSWORD" -v knowledge="$PARLEY_KNOWLEDGE_PASSWORD" <<'SQL'
create role parley_owner login password :'owner';
create role parley_app login password :'app';
create role parley_knowledge login password :'knowledge';
create database parley owner parley_owner;
\connect parley
create extension vector;
SQL
