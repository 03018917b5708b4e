-- The schema that the migrations end at, to be read in one piece. Nothing runs it
-- but the test that proves the two equal: change both, and add a migration.

-- The books of record of many clusters, and beside them what a restart needs.
-- Text columns hold no NUL in PostgreSQL: names write it as \0, and a backslash as \\.

CREATE TABLE schema_versions (
    version    INTEGER     PRIMARY KEY,
    runs_from  INTEGER     NOT NULL,         -- the oldest program that still works on it
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE books (
    id         INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster    TEXT    NOT NULL,
    shard      INTEGER NOT NULL,
    last_seq   BIGINT  NOT NULL DEFAULT 0,   -- a missing number up to it is a lost entry
    last_batch UUID,                         -- tells a batch whose answer was lost from a new one
    writer     TEXT,                         -- who took the lock last, for people
    days_through BIGINT NOT NULL DEFAULT 0,  -- the last entry that the days hold
    last_gpu_line BIGINT NOT NULL DEFAULT 0, -- the number of the last line of the cluster book
    UNIQUE (cluster, shard)
);

CREATE TABLE runs (
    id         BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_id    INTEGER NOT NULL REFERENCES books (id),
    cluster    TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    run        TEXT    NOT NULL,
    first_ns   BIGINT,                       -- NULL until something is booked
    last_ns    BIGINT,
    longest_ns BIGINT  NOT NULL DEFAULT 0,   -- longest segment: bounds every window's scan
    UNIQUE (book_id, cluster, namespace, run),
    UNIQUE (book_id, id)                     -- so that an entry is of its run's book
);

CREATE TABLE entries (
    book_id     INTEGER NOT NULL,
    seq         BIGINT  NOT NULL,            -- from 1 in each book, without gaps
    booked_ns   BIGINT  NOT NULL,
    run_id      BIGINT  NOT NULL,
    kind        TEXT    NOT NULL
                CHECK (kind IN ('segment', 'restatement', 'event', 'reattribution')),
    start_ns    BIGINT  NOT NULL,
    end_ns      BIGINT  NOT NULL CHECK (end_ns >= start_ns),
    state       TEXT,
    devices     BIGINT,
    cause       TEXT,
    incident    BIGINT,
    first_step  BIGINT,
    last_step   BIGINT,
    kept_as     TEXT,
    bridged     BOOLEAN,
    model_flops DOUBLE PRECISION,            -- NULL: not known; 0.0: none done
    detail      JSON,                        -- not JSONB, which refuses \u0000
    PRIMARY KEY (book_id, seq),
    FOREIGN KEY (book_id, run_id) REFERENCES runs (book_id, id),
    CHECK (kind <> 'segment' OR (state IS NOT NULL AND devices >= 0 AND cause IS NOT NULL))
);

CREATE INDEX entries_by_time ON entries (run_id, start_ns);

-- What a report reads beside the daily accounts.
CREATE INDEX entries_told_again ON entries (run_id, seq)
WHERE kind <> 'segment' OR incident IS NOT NULL OR kept_as <> state OR state = 'degraded';

CREATE INDEX entries_of_saves ON entries (run_id, start_ns, end_ns)
WHERE kind = 'segment' AND state = 'checkpointing';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('goodput.compacting', true) = 'on' AND TG_OP = 'UPDATE' THEN
        RETURN NEW;
    ELSIF current_setting('goodput.compacting', true) = 'on' AND TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'entries are append-only: book a restatement instead';
END
$$;

CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE ON entries
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER entries_are_never_emptied BEFORE TRUNCATE ON entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE days (
    run_id    BIGINT NOT NULL REFERENCES runs (id),
    day       BIGINT NOT NULL,               -- since 1970-01-01, UTC, on the ledger's clock
    part      TEXT   NOT NULL,               -- live, kept, restated, hindsight: the settled view
    state     TEXT   NOT NULL,
    cause     TEXT   NOT NULL,
    devices   BIGINT NOT NULL,
    length_ns BIGINT NOT NULL,               -- x devices is GPU time; negative where it moved away
    PRIMARY KEY (run_id, day, part, state, cause, devices)
);

CREATE TABLE folds (
    run_id     BIGINT PRIMARY KEY REFERENCES runs (id),
    day        BIGINT NOT NULL,              -- earlier days have no segments any more
    removed    BIGINT NOT NULL,              -- entries that compaction took away, over its life
    reached_ns BIGINT,                       -- where the removed segments end
    digest     TEXT   NOT NULL               -- of the folded days
);

CREATE TABLE states (
    run_id    BIGINT  PRIMARY KEY REFERENCES runs (id),
    booked_ns BIGINT  NOT NULL,
    closed    BOOLEAN NOT NULL,
    crc32     BIGINT  NOT NULL,              -- of state: one damaged run must not stop the others
    state     BYTEA   NOT NULL
);

CREATE TABLE heard (                         -- of a run since its state was written
    run_id BIGINT PRIMARY KEY REFERENCES states (run_id),
    words  BYTEA  NOT NULL                   -- each part begins with its checksum
);

CREATE TABLE meta (
    book_id INTEGER NOT NULL REFERENCES books (id),
    name    TEXT    NOT NULL,
    value   TEXT    NOT NULL,
    PRIMARY KEY (book_id, name)
);

-- For people and dashboards: every cluster's segments, in their units and exact.

CREATE VIEW segments AS
SELECT
    b.cluster AS book,
    b.shard,
    r.cluster,
    r.namespace,
    r.run,
    e.seq,
    e.state,
    e.cause,
    e.devices,
    e.incident,
    e.start_ns,
    e.end_ns,
    to_timestamp(e.start_ns / 1e9) AS started_at,
    to_timestamp(e.end_ns / 1e9) AS ended_at,
    (e.end_ns::numeric - e.start_ns) * e.devices AS gpu_ns,
    e.model_flops
FROM entries AS e
JOIN runs AS r ON r.id = e.run_id
JOIN books AS b ON b.id = e.book_id
WHERE e.kind = 'segment';

CREATE VIEW daily AS
SELECT
    b.cluster AS book,
    b.shard,
    r.cluster,
    r.namespace,
    r.run,
    date '1970-01-01' + d.day::integer AS day,
    d.part,
    d.state,
    d.cause,
    d.devices,
    d.length_ns::numeric * d.devices AS gpu_ns
FROM days AS d
JOIN runs AS r ON r.id = d.run_id
JOIN books AS b ON b.id = r.book_id;

-- The cluster book: physical GPUs by category, and what its nodes go on from.

CREATE TABLE gpu_lines (
    book_id    INTEGER NOT NULL REFERENCES books (id),
    seq        BIGINT  NOT NULL,             -- from 1 in each book, without gaps
    booked_ns  BIGINT  NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('live', 'reversal', 'restated', 'left')),
    node       TEXT    NOT NULL,
    start_ns   BIGINT  NOT NULL,
    end_ns     BIGINT  NOT NULL CHECK (end_ns >= start_ns),
    category   TEXT    NOT NULL,
    reason     TEXT    NOT NULL,             -- of unavailable and unobserved; else empty
    cluster    TEXT,                         -- the run's; NULL where no run holds them
    namespace  TEXT,
    run        TEXT,
    team       TEXT,
    gpu_model  TEXT    NOT NULL,
    node_pool  TEXT,
    slots_from BIGINT  NOT NULL,             -- of every "slots" ns these are the line's
    slots_to   BIGINT  NOT NULL CHECK (slots_to > slots_from AND slots_from >= 0),
    slots      BIGINT  NOT NULL CHECK (slots >= slots_to),
    gpus       JSON    NOT NULL,             -- UUIDs, an array
    PRIMARY KEY (book_id, seq)
);

CREATE INDEX gpu_lines_by_time ON gpu_lines (book_id, start_ns);

CREATE FUNCTION refuse_gpu_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('goodput.compacting', true) = 'on' AND TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'lines are append-only: book a reversal instead';
END
$$;

CREATE TRIGGER gpu_lines_are_never_changed BEFORE UPDATE OR DELETE ON gpu_lines
FOR EACH ROW EXECUTE FUNCTION refuse_gpu_change();

CREATE TRIGGER gpu_lines_are_never_emptied BEFORE TRUNCATE ON gpu_lines
FOR EACH STATEMENT EXECUTE FUNCTION refuse_gpu_change();

CREATE TABLE gpu_nodes (                     -- derived: the open part of the book
    book_id INTEGER NOT NULL REFERENCES books (id),
    node    TEXT    NOT NULL,
    state   BYTEA   NOT NULL,                -- begins with its checksum
    PRIMARY KEY (book_id, node)
);

-- What GPUs drew, and what of it runs drew.

CREATE TABLE gpu_energy (
    book_id  INTEGER NOT NULL REFERENCES books (id),
    start_ns BIGINT  NOT NULL,               -- all lines of a part end within ten minutes of it
    node     TEXT    NOT NULL,
    body     BYTEA   NOT NULL,               -- of a node's newest parts it is replaced
    PRIMARY KEY (book_id, start_ns, node)
);

CREATE TABLE run_energy (                    -- derived: what counters go on from
    book_id   INTEGER NOT NULL REFERENCES books (id),
    cluster   TEXT    NOT NULL,              -- empty names are GPUs that no run held
    namespace TEXT    NOT NULL,
    run       TEXT    NOT NULL,
    body      BYTEA   NOT NULL,
    PRIMARY KEY (book_id, cluster, namespace, run)
);

CREATE TABLE gpu_days (
    book_id   INTEGER NOT NULL REFERENCES books (id),
    day       BIGINT  NOT NULL,              -- since 1970-01-01, UTC, on the ledger's clock
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
    gpu_ns    BIGINT  NOT NULL               -- of one node: far below 64 bits
);

CREATE INDEX gpu_days_by_day ON gpu_days (book_id, day);

CREATE TABLE gpu_folds (                     -- a row per book, once a day was folded
    book_id  INTEGER PRIMARY KEY REFERENCES books (id),
    day      BIGINT  NOT NULL,               -- earlier days have no live lines any more
    first_ns BIGINT  NOT NULL,               -- where the first of them began
    removed  BIGINT  NOT NULL,               -- lines that compaction took away
    digest   TEXT    NOT NULL                -- of the folded days
);
