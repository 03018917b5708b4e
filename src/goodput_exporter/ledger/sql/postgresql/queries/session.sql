-- What every connection needs. A wait that has no end gets one. Durability is raised if the server's default is off,
-- never lowered; a host that vanished lets go of its book in eleven seconds, before another takes a Lease of fifteen.
SELECT set_config('search_path', 'goodput', false),
       set_config('lock_timeout', CASE current_setting('lock_timeout')
           WHEN '0' THEN '5s' ELSE current_setting('lock_timeout') END, false),
       set_config('tcp_keepalives_idle', '5', false),
       set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('tcp_user_timeout', '11000', false),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
           WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
       current_setting('server_encoding')
