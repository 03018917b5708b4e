SELECT day, part, state, cause, devices, sum(length_ns)
FROM days
WHERE day >= :first AND day < :last
GROUP BY day, part, state, cause, devices
