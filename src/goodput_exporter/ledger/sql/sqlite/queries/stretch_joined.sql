UPDATE entries SET end_ns = :end_ns, last_step = :last_step, model_flops = :model_flops
WHERE seq = :seq AND run_id = :run_id
