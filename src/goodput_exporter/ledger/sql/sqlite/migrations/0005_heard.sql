-- What was heard of a run since its state was written. A fleet's states are written in
-- turn, and what its agents deliver is not to wait for that.

CREATE TABLE heard (
    run_id INTEGER PRIMARY KEY REFERENCES states (run_id),
    words  BLOB    NOT NULL                  -- each part begins with its checksum
);
