SELECT set_config('goodput.compacting', 'on', true)
