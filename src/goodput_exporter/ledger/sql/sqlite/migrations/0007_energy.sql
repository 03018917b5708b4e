-- What GPUs drew, and what of it runs drew.

CREATE TABLE gpu_energy (
    start_ns INTEGER NOT NULL,               -- all lines of a part end within ten minutes of it
    node     TEXT    NOT NULL,
    body     BLOB    NOT NULL,               -- of a node's newest parts it is replaced
    PRIMARY KEY (start_ns, node)
);

CREATE TABLE run_energy (                    -- derived: what counters go on from
    cluster   TEXT NOT NULL,                 -- empty names are GPUs that no run held
    namespace TEXT NOT NULL,
    run       TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (cluster, namespace, run)
);
