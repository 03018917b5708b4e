SELECT body FROM run_energy WHERE cluster = ? AND namespace = ? AND run = ?
