-- runs-from: 1
-- Daily accounts beside the entries, what compaction folded, and causes known better.
-- An older program writes no days; the next start of a newer one adds what it booked.

ALTER TABLE books ADD COLUMN days_through BIGINT NOT NULL DEFAULT 0;

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

ALTER TABLE entries DROP CONSTRAINT entries_kind_check;
ALTER TABLE entries ADD CONSTRAINT entries_kind_check
    CHECK (kind IN ('segment', 'restatement', 'event', 'reattribution'));

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('goodput.compacting', true) = 'on' AND TG_OP = 'UPDATE' THEN
        RETURN NEW;
    ELSIF current_setting('goodput.compacting', true) = 'on' AND TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'entries are append-only: book a restatement instead';
END
$$;

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
