-- Daily accounts beside the entries, what compaction folded, and causes known better.

CREATE TABLE days (                          -- kept up by every batch, in its transaction
    run_id    INTEGER NOT NULL REFERENCES runs (id),
    day       INTEGER NOT NULL,              -- since 1970-01-01, UTC, on the ledger's clock
    part      TEXT    NOT NULL,              -- live, kept, restated, hindsight: the settled view
    state     TEXT    NOT NULL,
    cause     TEXT    NOT NULL,
    devices   INTEGER NOT NULL,
    length_ns INTEGER NOT NULL,              -- x devices is GPU time; negative where it moved away
    PRIMARY KEY (run_id, day, part, state, cause, devices)
) WITHOUT ROWID;

CREATE TABLE days_through (seq INTEGER NOT NULL); -- the last entry that the days hold
INSERT INTO days_through VALUES (0);

CREATE TABLE folds (
    run_id     INTEGER PRIMARY KEY REFERENCES runs (id),
    day        INTEGER NOT NULL,             -- earlier days have no segments any more
    removed    INTEGER NOT NULL,             -- entries that compaction took away, over its life
    reached_ns INTEGER,                      -- where the removed segments end
    digest     TEXT    NOT NULL              -- of the folded days
);

CREATE TABLE compacting (run_id INTEGER NOT NULL); -- not empty inside a compaction only

-- SQLite changes no CHECK in place: the table is written anew, number by number.
CREATE TABLE entries_2 (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a missing number is a lost entry
    booked_ns  INTEGER NOT NULL,
    run_id     INTEGER NOT NULL REFERENCES runs (id),
    kind       TEXT    NOT NULL              -- OR, for SQLite builds a table for IN per row
               CHECK (kind = 'segment' OR kind = 'restatement' OR kind = 'event'
                      OR kind = 'reattribution'),
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

INSERT INTO entries_2 SELECT * FROM entries ORDER BY seq;
INSERT INTO sqlite_sequence (name, seq)
SELECT 'entries_2', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'entries_2');
UPDATE sqlite_sequence
SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0))
WHERE name = 'entries_2';
DROP TABLE entries;
ALTER TABLE entries_2 RENAME TO entries;

CREATE INDEX entries_by_time ON entries (run_id, start_ns);

CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
WHEN NOT EXISTS (SELECT 1 FROM compacting)
BEGIN
    SELECT RAISE(ABORT, 'entries are append-only: book a restatement instead');
END;

CREATE TRIGGER entries_are_never_removed BEFORE DELETE ON entries
WHEN NOT EXISTS (SELECT 1 FROM compacting)
BEGIN
    SELECT RAISE(ABORT, 'entries are append-only: book a restatement instead');
END;
