SELECT r.cluster, r.namespace, r.run, r.id
FROM unnest(%(clusters)s::text[], %(namespaces)s::text[], %(runs)s::text[]) AS asked (c, n, k)
JOIN runs AS r
  ON r.book_id = %(book)s AND r.cluster = c AND r.namespace = n AND r.run = k
