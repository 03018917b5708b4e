DELETE FROM entries WHERE seq = :seq AND run_id = :run_id
