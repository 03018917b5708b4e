SELECT id FROM runs WHERE cluster = ? AND namespace = ? AND run = ?
