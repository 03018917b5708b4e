INSERT INTO folds (run_id, day, removed, reached_ns, digest)
VALUES (%(run_id)s, %(day)s, %(removed)s, %(reached_ns)s, %(digest)s)
ON CONFLICT (run_id) DO UPDATE SET
    day        = excluded.day,
    removed    = excluded.removed,
    reached_ns = excluded.reached_ns,
    digest     = excluded.digest
