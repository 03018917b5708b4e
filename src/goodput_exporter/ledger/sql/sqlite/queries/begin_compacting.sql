INSERT INTO compacting VALUES (0)
