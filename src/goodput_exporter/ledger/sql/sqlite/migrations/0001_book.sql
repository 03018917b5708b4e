-- The book of record (entries) and, beside it, what a restart needs (states, meta).
-- No STRICT tables and no RETURNING: enterprise distributions still ship SQLite 3.34.

PRAGMA application_id = 1735423348; -- "gput": tells our file from any other database

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY,
    cluster    TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    run        TEXT    NOT NULL,
    first_ns   INTEGER,                      -- NULL until something is booked
    last_ns    INTEGER,
    longest_ns INTEGER NOT NULL DEFAULT 0,   -- longest segment: bounds every window's scan
    UNIQUE (cluster, namespace, run)
);

CREATE TABLE entries (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a missing number is a lost entry
    booked_ns  INTEGER NOT NULL,
    run_id     INTEGER NOT NULL REFERENCES runs (id),
    kind       TEXT    NOT NULL              -- OR, for SQLite builds a table for IN per row
               CHECK (kind = 'segment' OR kind = 'restatement' OR kind = 'event'),
    start_ns   INTEGER NOT NULL,
    end_ns     INTEGER NOT NULL CHECK (end_ns >= start_ns),
    state      TEXT,
    devices    INTEGER,
    cause      TEXT,
    incident   INTEGER,
    first_step INTEGER,
    last_step  INTEGER,
    kept_as    TEXT,
    bridged    INTEGER,
    model_flops REAL,                        -- NULL: not known; 0.0: none done
    detail     TEXT,                         -- JSON; numbers past 64 bits live here
    CHECK (kind <> 'segment' OR (state IS NOT NULL AND devices >= 0 AND cause IS NOT NULL))
);

CREATE INDEX entries_by_time ON entries (run_id, start_ns);

CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are append-only: book a restatement instead');
END;

CREATE TRIGGER entries_are_never_removed BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are append-only: book a restatement instead');
END;

CREATE TABLE states (
    run_id    INTEGER PRIMARY KEY REFERENCES runs (id),
    booked_ns INTEGER NOT NULL,
    closed    INTEGER NOT NULL,
    crc32     INTEGER NOT NULL,              -- of state: one damaged run must not stop the others
    state     BLOB    NOT NULL
);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
