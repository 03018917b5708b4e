SELECT id, longest_ns FROM runs WHERE cluster = ? AND namespace = ? AND run = ?
