-- Derived from the entries of the same transaction: how far the run reaches.
UPDATE runs SET
    first_ns   = least(first_ns, %(first_ns)s),
    last_ns    = greatest(last_ns, %(last_ns)s),
    longest_ns = greatest(longest_ns, %(longest_ns)s)
WHERE id = %(run_id)s
