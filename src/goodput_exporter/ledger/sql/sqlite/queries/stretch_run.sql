-- Derived from the entries of the same transaction: how far the run reaches.
UPDATE runs SET
    first_ns   = min(coalesce(first_ns, :first_ns), :first_ns),
    last_ns    = max(coalesce(last_ns, :last_ns), :last_ns),
    longest_ns = max(longest_ns, :longest_ns)
WHERE id = :run_id
