INSERT INTO schema_versions (version, runs_from) VALUES (%s, %s)
