SELECT coalesce(max(version), 0), coalesce(max(runs_from), 0) FROM schema_versions
