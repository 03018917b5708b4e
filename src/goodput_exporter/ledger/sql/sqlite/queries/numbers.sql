-- Entries are numbered from 1 without gaps; the sequence remembers a cut tail.
SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0),
           coalesce(max(seq), 0)),
       count(*)
FROM entries
