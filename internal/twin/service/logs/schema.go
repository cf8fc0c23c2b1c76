package logs

import "slipway.dev/internal/twin/store"

// events is laid out in SQL: log lines come by the thousand. Ids count up within a group and never come back; log_orphans names
// what was deleted and whose events the sweeper has still to remove (stream 0: the whole group).
var events = store.SQL("log_events", `
CREATE TABLE log_groups (
	id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
	created INTEGER NOT NULL, bytes INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0,
	retention INTEGER NOT NULL DEFAULT 0, doc BLOB NOT NULL, UNIQUE (account, region, name));
CREATE TABLE log_streams (
	id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,
	first INTEGER, newest INTEGER, ingested INTEGER, UNIQUE (grp, name));
CREATE TABLE log_events (
	grp INTEGER NOT NULL, at INTEGER NOT NULL, id INTEGER NOT NULL, stream INTEGER NOT NULL, ingested INTEGER NOT NULL,
	message TEXT NOT NULL, PRIMARY KEY (grp, at, id)) WITHOUT ROWID;
CREATE INDEX log_events_stream ON log_events (stream, at, id);
CREATE TABLE log_orphans (grp INTEGER NOT NULL, stream INTEGER NOT NULL, PRIMARY KEY (grp, stream)) WITHOUT ROWID`)
