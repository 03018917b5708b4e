-- runs-from: 1
-- The cluster book: physical GPUs by category, and what its nodes go on from.

ALTER TABLE books ADD COLUMN last_gpu_line BIGINT NOT NULL DEFAULT 0;

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
