INSERT INTO gpu_folds (id, day, first_ns, removed, digest) VALUES (1, :day, :first_ns, :removed, :digest)
ON CONFLICT (id) DO UPDATE SET
    day     = excluded.day,
    removed = excluded.removed,
    digest  = excluded.digest
