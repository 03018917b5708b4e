-- Lines are numbered from 1; compaction counts what it takes. The sequence remembers a cut tail.
SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'gpu_lines'), 0),
           coalesce(max(seq), 0)),
       count(*) + (SELECT coalesce(sum(removed), 0) FROM gpu_folds)
FROM gpu_lines
