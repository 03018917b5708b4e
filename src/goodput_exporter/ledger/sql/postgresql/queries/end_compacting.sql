SELECT set_config('goodput.compacting', 'off', true)
