INSERT INTO folds (run_id, day, removed, reached_ns, digest)
VALUES (:run_id, :day, :removed, :reached_ns, :digest)
ON CONFLICT (run_id) DO UPDATE SET
    day        = excluded.day,
    removed    = excluded.removed,
    reached_ns = excluded.reached_ns,
    digest     = excluded.digest
