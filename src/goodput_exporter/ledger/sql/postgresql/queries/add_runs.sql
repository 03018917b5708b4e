INSERT INTO runs (book_id, cluster, namespace, run)
SELECT %(book)s, c, n, r
FROM unnest(%(clusters)s::text[], %(namespaces)s::text[], %(runs)s::text[]) AS new (c, n, r)
ON CONFLICT (book_id, cluster, namespace, run) DO NOTHING
