SELECT d.day, d.part, d.state, d.cause, d.devices, sum(d.length_ns)
FROM days AS d JOIN runs AS r ON r.id = d.run_id
WHERE r.book_id = %(book)s AND d.day >= %(first)s AND d.day < %(last)s
GROUP BY d.day, d.part, d.state, d.cause, d.devices
