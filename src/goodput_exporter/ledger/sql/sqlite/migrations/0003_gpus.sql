-- The cluster book: physical GPUs by category, and what its nodes go on from.

CREATE TABLE gpu_lines (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a missing number is a lost line
    booked_ns  INTEGER NOT NULL,
    kind       TEXT    NOT NULL
               CHECK (kind = 'live' OR kind = 'reversal' OR kind = 'restated' OR kind = 'left'),
    node       TEXT    NOT NULL,
    start_ns   INTEGER NOT NULL,
    end_ns     INTEGER NOT NULL CHECK (end_ns >= start_ns),
    category   TEXT    NOT NULL,
    reason     TEXT    NOT NULL,             -- of unavailable and unobserved; else empty
    cluster    TEXT,                         -- the run's; NULL where no run holds them
    namespace  TEXT,
    run        TEXT,
    team       TEXT,
    gpu_model  TEXT    NOT NULL,
    node_pool  TEXT,
    slots_from INTEGER NOT NULL,             -- of every "slots" ns these are the line's
    slots_to   INTEGER NOT NULL CHECK (slots_to > slots_from AND slots_from >= 0),
    slots      INTEGER NOT NULL CHECK (slots >= slots_to),
    gpus       TEXT    NOT NULL              -- UUIDs, a JSON array
);

CREATE INDEX gpu_lines_by_time ON gpu_lines (start_ns);

CREATE TRIGGER gpu_lines_are_never_changed BEFORE UPDATE ON gpu_lines
BEGIN
    SELECT RAISE(ABORT, 'lines are append-only: book a reversal instead');
END;

CREATE TRIGGER gpu_lines_are_never_removed BEFORE DELETE ON gpu_lines
BEGIN
    SELECT RAISE(ABORT, 'lines are append-only: book a reversal instead');
END;

CREATE TABLE gpu_nodes (                     -- derived: the open part of the book
    node  TEXT PRIMARY KEY,
    state BLOB NOT NULL                      -- begins with its checksum
);
