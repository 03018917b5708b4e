-- Entries are numbered from 1 without gaps; the book remembers a cut tail.
SELECT greatest(last_seq, (SELECT max(seq) FROM entries WHERE book_id = %(book)s)),
       (SELECT count(*) FROM entries WHERE book_id = %(book)s)
FROM books WHERE id = %(book)s
