-- What compaction keeps of the cluster book: each folded day in states of runs.

CREATE TABLE gpu_days (
    day       INTEGER NOT NULL,              -- since 1970-01-01, UTC, on the ledger's clock
    node      TEXT    NOT NULL,
    gpu_model TEXT    NOT NULL,
    node_pool TEXT,
    category  TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    cluster   TEXT,                          -- the run's; NULL where no run holds them
    namespace TEXT,
    run       TEXT,
    team      TEXT,
    state     TEXT    NOT NULL,              -- of the run book where a run held them
    cause     TEXT    NOT NULL,
    gpu_ns    INTEGER NOT NULL               -- of one node: far below 64 bits
);

CREATE INDEX gpu_days_by_day ON gpu_days (day);

CREATE TABLE gpu_folds (                     -- one row, once a day was folded
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    day      INTEGER NOT NULL,               -- earlier days have no live lines any more
    first_ns INTEGER NOT NULL,               -- where the first of them began
    removed  INTEGER NOT NULL,               -- lines that compaction took away
    digest   TEXT    NOT NULL                -- of the folded days
);

DROP TRIGGER gpu_lines_are_never_removed;

CREATE TRIGGER gpu_lines_are_never_removed BEFORE DELETE ON gpu_lines
WHEN NOT EXISTS (SELECT 1 FROM compacting)
BEGIN
    SELECT RAISE(ABORT, 'lines are append-only: book a reversal instead');
END;
