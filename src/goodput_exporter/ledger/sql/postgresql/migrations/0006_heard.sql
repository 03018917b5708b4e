-- runs-from: 6
-- What was heard of a run since its state was written. A fleet's states are written in
-- turn, and what its agents deliver is not to wait for that.

CREATE TABLE heard (
    run_id BIGINT PRIMARY KEY REFERENCES states (run_id),
    words  BYTEA  NOT NULL                   -- each part begins with its checksum
);
