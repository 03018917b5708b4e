INSERT INTO states (run_id, booked_ns, closed, crc32, state)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (run_id) DO UPDATE SET
    booked_ns = excluded.booked_ns,
    closed    = excluded.closed,
    crc32     = excluded.crc32,
    state     = excluded.state
