-- runs-from: 1
-- What compaction keeps of the cluster book: each folded day in states of runs.

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

CREATE OR REPLACE FUNCTION refuse_gpu_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('goodput.compacting', true) = 'on' AND TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'lines are append-only: book a reversal instead';
END
$$;
