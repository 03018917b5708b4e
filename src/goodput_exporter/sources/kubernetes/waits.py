"""How long the reflector waits for what; tests bring shorter ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """
    Every time limit and pause of the reflector, in seconds.

    After a cut has healed, the state equals a fresh list within
    ``pause_most_s + connect_s`` and the time of the list itself.

    Args:
        connect_s: For a TCP and TLS connection.
        answer_s: Between two reads of a list or a single object.
        silence_s: Between two reads of a watch. The API server sends a
            bookmark about once a minute, so this is below twice its period: one
            may be late, two are a dead connection. Kinds that the server sends
            no bookmarks for (events) are watched anew after it, at no cost.
        watch_least_s, watch_most_s: What a watch asks the server to end it
            after, drawn at random: connections spread over API servers again,
            as client-go's reflector does it.
        short_watch_s: A watch that ends sooner is followed by a pause.
        pause_first_s: The first pause after a failure; each next one is twice
            as long.
        pause_most_s: The longest pause of our own choice.
        retry_after_most_s: The longest pause that a server may ask for.
        forbidden_s: Between two questions for what RBAC refuses: a person has
            to change that.
        absent_s: Between two looks whether a CRD was installed.
    """

    connect_s: float = 5.0
    answer_s: float = 60.0
    silence_s: float = 110.0
    watch_least_s: int = 300
    watch_most_s: int = 600
    short_watch_s: float = 1.0
    pause_first_s: float = 0.5
    pause_most_s: float = 20.0
    retry_after_most_s: float = 300.0
    forbidden_s: float = 300.0
    absent_s: float = 60.0
