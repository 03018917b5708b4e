SELECT day, removed, reached_ns, digest FROM folds WHERE run_id = %(run_id)s
