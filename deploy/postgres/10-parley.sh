#!/bin/sh
# Roles and database for Parley; runs once, on the first start of the PostgreSQL image. psql reads the passwords from
# the environment itself: in its command line every process of the host could read them.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" <<'SQL'
\getenv owner PARLEY_OWNER_PASSWORD
\getenv app PARLEY_APP_PASSWORD
\getenv knowledge PARLEY_KNOWLEDGE_PASSWORD
create role parley_owner login password :'owner';
create role parley_app login password :'app';
create role parley_knowledge login password :'knowledge';
create database parley owner parley_owner;
\connect parley
create extension vector;
SQL
