UPDATE entries SET end_ns = %(end_ns)s, last_step = %(last_step)s, model_flops = %(model_flops)s
WHERE book_id = (SELECT book_id FROM runs WHERE id = %(run_id)s) AND seq = %(seq)s
