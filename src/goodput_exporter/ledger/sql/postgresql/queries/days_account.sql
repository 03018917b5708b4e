SELECT state, cause, devices, sum(length_ns)
FROM days
WHERE run_id = %(run_id)s AND day >= %(first)s AND day < %(last)s AND part = 'live'
GROUP BY state, cause, devices
