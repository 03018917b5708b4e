-- runs-from: 6
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
