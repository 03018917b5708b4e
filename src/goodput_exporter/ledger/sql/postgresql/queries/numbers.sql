-- Entries are numbered from 1; compaction counts what it takes. The book remembers a cut tail.
SELECT greatest(last_seq, (SELECT max(seq) FROM entries WHERE book_id = %(book)s)),
       (SELECT count(*) FROM entries WHERE book_id = %(book)s)
       + (SELECT coalesce(sum(f.removed), 0)::bigint
          FROM folds AS f JOIN runs AS r ON r.id = f.run_id WHERE r.book_id = %(book)s)
FROM books WHERE id = %(book)s
