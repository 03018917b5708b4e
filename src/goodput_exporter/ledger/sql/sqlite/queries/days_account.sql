SELECT state, cause, devices, sum(length_ns)
FROM days
WHERE run_id = :run_id AND day >= :first AND day < :last AND part = 'live'
GROUP BY state, cause, devices
