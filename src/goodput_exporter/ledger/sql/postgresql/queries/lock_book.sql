-- The table's own number is half of the lock's: it is no other program's by accident.
SELECT pg_try_advisory_lock('books'::regclass::oid::bigint << 32 | %(id)s::bigint)
