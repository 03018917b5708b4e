-- "gput": programs that start together change the schema one after the other.
SELECT pg_advisory_xact_lock(1735423348)
