SELECT day, part, state, cause, devices, length_ns
FROM days
WHERE run_id = %(run_id)s AND day >= %(first)s AND day < %(last)s
ORDER BY day, part, state, cause, devices
