INSERT INTO gpu_folds (book_id, day, first_ns, removed, digest)
VALUES (%(book)s, %(day)s, %(first_ns)s, %(removed)s, %(digest)s)
ON CONFLICT (book_id) DO UPDATE SET
    day     = excluded.day,
    removed = excluded.removed,
    digest  = excluded.digest
