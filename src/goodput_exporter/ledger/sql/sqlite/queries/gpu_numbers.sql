-- Lines are numbered from 1. The sequence remembers a cut tail.
SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'gpu_lines'), 0),
           coalesce(max(seq), 0)),
       count(*)
FROM gpu_lines
