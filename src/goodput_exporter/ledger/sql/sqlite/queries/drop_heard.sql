DELETE FROM heard WHERE run_id = ?
