-- Whether there is the schema, its table of versions, and how many tables in all.
SELECT to_regnamespace('goodput') IS NOT NULL,
       to_regclass('goodput.schema_versions') IS NOT NULL,
       (SELECT count(*) FROM pg_catalog.pg_class
        WHERE relnamespace = to_regnamespace('goodput') AND relkind IN ('r', 'p', 'v', 'm'))
