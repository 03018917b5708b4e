SELECT day, part, state, cause, devices, length_ns
FROM days
WHERE run_id = :run_id AND day >= :first AND day < :last
ORDER BY day, part, state, cause, devices
