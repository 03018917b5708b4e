COPY entries (
    book_id, seq, booked_ns, run_id, kind, start_ns, end_ns, state, devices, cause,
    incident, first_step, last_step, kept_as, bridged, model_flops, detail
) FROM STDIN
