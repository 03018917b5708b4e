"""Fleet: what fraction of the GPU time was training, and what took the rest."""

from __future__ import annotations

from typing import Final

from dashboards.board import CLUSTER, NAMESPACE, TEAM, Board, Note, Row
from dashboards.boards.selections import (
    AVAILABLE,
    GROUP_SECONDS,
    HERE,
    OF_TEAM,
    PRODUCTIVE,
    RUN,
    RUN_SECONDS,
    STEP,
    TO_RUN,
    WALL,
    appeared,
    hours,
    increase,
    kilowatt_hours,
    rate,
    share,
    team_of,
)
from dashboards.palette import (
    CATEGORY_COLOURS,
    CAUSE_COLOURS,
    LAYER_COLOURS,
    RATIO_COLOURS,
    STATE_COLOURS,
)
from dashboards.panels import (
    COUNT,
    EVENTS,
    HIGH_IS_GOOD,
    RATIO,
    SECONDS,
    Query,
    bars,
    lines,
    number,
    stack,
)
from dashboards.tables import Column, rows

WHOLE: Final = (HERE, 'group_kind="cluster"')
TEAMS: Final = (HERE, 'group_kind="team"', 'group=~"$team"')
NAMESPACES: Final = (HERE, 'group_kind="namespace"', 'group=~"$namespace"')
QUEUES: Final = (HERE, 'group_kind="queue"')
BADPUT: Final = "goodput_group_badput_gpu_seconds_total"
BOOK: Final = "goodput_cluster_gpu_seconds_total"
RUN_ENERGY: Final = "goodput_run_energy_joules_total"
RUN_ENERGY_TIME: Final = "goodput_run_energy_gpu_seconds_total"
CLUSTER_ENERGY: Final = "goodput_cluster_energy_joules_total"
OF_NAMESPACE: Final = f'{HERE},run_namespace=~"$namespace"'
ENERGY: Final = "kwatth"
HOURS: Final = "h"
GPUS: Final = "GPUs"


def _sum(*matchers: str) -> str:
    return increase(GROUP_SECONDS, *WHOLE, *matchers)


def _rate(*matchers: str) -> str:
    return rate(GROUP_SECONDS, *WHOLE, *matchers)


FRACTION: Final = Row(
    "What fraction of the GPU time was training?",
    (
        number(
            "Goodput",
            "Productive GPU time as a share of the observed GPU time that was set "
            "aside for runs, over the dashboard's range. A ratio of sums.",
            Query(share(_sum(PRODUCTIVE), _sum(WALL))),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
            width=6,
        ),
        number(
            "Infrastructure",
            "Share of the time in which runs had their full set of GPUs. The rest is "
            "the platform's: down, scheduling, provisioning, suspended, degraded.",
            Query(share(_sum(AVAILABLE), _sum(WALL))),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
        ),
        number(
            "× Framework",
            "Share of the available time that went into new steps. The rest is the "
            "framework's: starting, saving, restoring, redoing, waiting, hanging.",
            Query(share(_sum(STEP), _sum(AVAILABLE))),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
        ),
        number(
            "× Pace",
            "Share of the step time at the runs' own reference pace; the rest is slow "
            "steps. Infrastructure × framework × pace = goodput.",
            Query(share(_sum(PRODUCTIVE), _sum(STEP))),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
        ),
        number(
            "Observed",
            "Share of the runs' time that anybody saw. The ratios rest on it; unseen "
            "time is neither good nor bad.",
            Query(share(_sum('layer!="none"'), _sum('state!=""'))),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
            width=3,
        ),
        number(
            "ETTR",
            "Step time as a share of all time since submission, queueing included.",
            Query(share(_sum(STEP), _sum('layer!="none"'))),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
            width=3,
        ),
    ),
)

REST: Final = Row(
    "Where did the rest go?",
    (
        bars(
            "From the time set aside to progress",
            "Read it from the top: GPU-hours set aside, less what infrastructure, "
            "framework and slow steps took, leave what became progress.",
            Query(hours(_sum(WALL)), "set aside for runs"),
            Query(hours(_sum('layer="infrastructure"')), "− infrastructure"),
            Query(hours(_sum('layer="framework"')), "− framework"),
            Query(hours(_sum('layer="model"')), "− slow steps"),
            Query(hours(_sum('layer="good"')), "= progress"),
            unit=HOURS,
            colours={
                "− infrastructure": LAYER_COLOURS["infrastructure"],
                "− framework": LAYER_COLOURS["framework"],
                "− slow steps": LAYER_COLOURS["model"],
                "= progress": LAYER_COLOURS["good"],
            },
            width=9,
            height=9,
        ),
        bars(
            "What took it, by state",
            "GPU-hours of each state but progress, the largest first.",
            Query(
                "sort_desc("
                + hours(
                    increase(
                        GROUP_SECONDS,
                        *WHOLE,
                        'state!~"productive|unobserved"',
                        by="state",
                    )
                )
                + " > 0)",
                "{{state}}",
            ),
            unit=HOURS,
            colours=STATE_COLOURS,
            width=8,
            height=9,
        ),
        bars(
            "What took it, by cause",
            "GPU-hours of badput by cause. No interruption caused first starts, saves "
            "and waiting for data; the states beside say which.",
            Query(
                "sort_desc(" + hours(increase(BADPUT, *WHOLE, by="cause")) + " > 0)",
                "{{cause}}",
            ),
            unit=HOURS,
            colours=CAUSE_COLOURS,
            width=7,
            height=9,
        ),
        stack(
            "GPUs by state",
            "How many GPUs were in each state. Together they are all GPUs that runs "
            "asked for.",
            Query(
                rate(GROUP_SECONDS, *WHOLE, by="state") + " > 0",
                "{{state}}",
            ),
            unit=COUNT,
            colours=STATE_COLOURS,
        ),
        stack(
            "GPUs lost, by cause",
            "Badput as it happens: how many GPUs made no progress, and why.",
            Query(rate(BADPUT, *WHOLE, by="cause") + " > 0", "{{cause}}"),
            unit=COUNT,
            colours=CAUSE_COLOURS,
            empty="nothing was lost in this range",
        ),
        lines(
            "The three layers over time",
            "Each layer's share of the one before it; their product is goodput.",
            Query(share(_rate(AVAILABLE), _rate(WALL)), "infrastructure"),
            Query(share(_rate(STEP), _rate(AVAILABLE)), "framework"),
            Query(share(_rate(PRODUCTIVE), _rate(STEP)), "pace"),
            Query(share(_rate(PRODUCTIVE), _rate(WALL)), "goodput"),
            unit=RATIO,
            colours=RATIO_COLOURS,
            most=1,
        ),
        stack(
            "All physical GPUs, by who has them",
            "The cluster book: every GPU is in one category at every instant.",
            Query(rate(BOOK, HERE, by="category") + " > 0", "{{category}}"),
            unit=COUNT,
            colours=CATEGORY_COLOURS,
            empty="no agent and no node tells of GPUs",
        ),
    ),
)

TEAMS_ROW: Final = Row(
    "Teams and namespaces",
    (
        rows(
            "Teams",
            "Each team's share and what it lost, over the dashboard's range.",
            {"group": "Team"},
            Column(
                "Goodput",
                share(
                    increase(GROUP_SECONDS, *TEAMS, PRODUCTIVE, by="group"),
                    increase(GROUP_SECONDS, *TEAMS, WALL, by="group"),
                ),
                RATIO,
                HIGH_IS_GOOD,
            ),
            Column(
                "GPU-hours",
                hours(increase(GROUP_SECONDS, *TEAMS, WALL, by="group")),
                HOURS,
            ),
            Column(
                "Lost GPU-hours", hours(increase(BADPUT, *TEAMS, by="group")), HOURS
            ),
            first="Lost GPU-hours",
            width=12,
        ),
        lines(
            "Goodput by team",
            "Productive share of the GPU time of each team's runs.",
            Query(
                share(
                    rate(GROUP_SECONDS, *TEAMS, PRODUCTIVE, by="group"),
                    rate(GROUP_SECONDS, *TEAMS, WALL, by="group"),
                ),
                "{{group}}",
            ),
            unit=RATIO,
            most=1,
        ),
        rows(
            "Namespaces",
            "Each namespace's share and what it lost, over the dashboard's range.",
            {"group": "Namespace"},
            Column(
                "Goodput",
                share(
                    increase(GROUP_SECONDS, *NAMESPACES, PRODUCTIVE, by="group"),
                    increase(GROUP_SECONDS, *NAMESPACES, WALL, by="group"),
                ),
                RATIO,
                HIGH_IS_GOOD,
            ),
            Column(
                "GPU-hours",
                hours(increase(GROUP_SECONDS, *NAMESPACES, WALL, by="group")),
                HOURS,
            ),
            Column(
                "Lost GPU-hours",
                hours(increase(BADPUT, *NAMESPACES, by="group")),
                HOURS,
            ),
            first="Lost GPU-hours",
        ),
    ),
)

QUEUE: Final = Row(
    "Queue",
    (
        lines(
            "Longest wait, by queue",
            "How long the run that waits longest in each queue has waited by now.",
            Query(
                f"max by (queue) (goodput_queue_longest_wait_seconds{{{HERE}}})",
                "{{queue}}",
            ),
            unit=SECONDS,
            empty="nobody waits in a queue",
            width=8,
        ),
        stack(
            "GPUs that are asked for and not admitted, by queue",
            "Queued time is in no layer: nothing was set aside yet. It counts in ETTR.",
            Query(
                rate(GROUP_SECONDS, *QUEUES, 'state="queued"', by="group"), "{{group}}"
            ),
            unit=COUNT,
            empty="nobody waits in a queue",
            width=8,
        ),
        bars(
            "What runs waited for",
            "Time that runs waited before they trained, by what for.",
            Query(
                "sum by (reason) (increase(goodput_run_waited_seconds_total"
                f'{{{HERE},run_namespace=~"$namespace"}}[$__range]))',
                "{{reason}}",
            ),
            unit=SECONDS,
            empty="no run waited in this range",
            width=8,
        ),
    ),
)

COST: Final = Row(
    "Cost, at the price per GPU-hour that is set above",
    (
        number(
            "Set aside",
            "Asked GPU-hours times the price. An estimate: the price is one number, "
            "typed in by you.",
            Query(f"{hours(_sum(WALL))} * $gpu_hour_price"),
            unit="currencyUSD",
        ),
        number(
            "Lost",
            "GPU-hours that were not productive, times the price.",
            Query(f"{hours(increase(BADPUT, *WHOLE))} * $gpu_hour_price"),
            unit="currencyUSD",
        ),
        number(
            "Not held by anybody",
            "Physical GPU-hours that nobody held, times the price.",
            Query(
                hours(increase(BOOK, HERE, 'category="unallocated"'))
                + " * $gpu_hour_price"
            ),
            unit="currencyUSD",
        ),
        bars(
            "Lost, by cause",
            "The price of badput, by its cause.",
            Query(
                "sort_desc("
                + hours(increase(BADPUT, *WHOLE, by="cause"))
                + " * $gpu_hour_price > 0)",
                "{{cause}}",
            ),
            unit="currencyUSD",
            colours=CAUSE_COLOURS,
            height=6,
        ),
    ),
)


ENERGY_ROW: Final = Row(
    "Energy of the GPUs",
    (
        number(
            "Drawn for runs",
            "What GPUs drew while runs held them, whatever they did. Counters follow "
            "when both books are sealed.",
            Query(kilowatt_hours(increase(RUN_ENERGY, OF_NAMESPACE))),
            unit=ENERGY,
        ),
        number(
            "Time with known energy",
            "Share of the runs' GPU time between samples that are near enough to each "
            "other. The energy of the rest is not in these panels.",
            Query(
                share(
                    increase(RUN_ENERGY_TIME, OF_NAMESPACE, 'measured="true"'),
                    increase(RUN_ENERGY_TIME, OF_NAMESPACE),
                )
            ),
            unit=RATIO,
        ),
        bars(
            "Energy by state",
            "What the runs were doing while their GPUs drew it.",
            Query(
                "sort_desc("
                + kilowatt_hours(increase(RUN_ENERGY, OF_NAMESPACE, by="state"))
                + " > 0)",
                "{{state}}",
            ),
            unit=ENERGY,
            colours=STATE_COLOURS,
            empty="no agent reports energy",
            width=8,
            height=6,
        ),
        bars(
            "Energy that no run's GPUs drew",
            "By what the GPUs were; unplaced was drawn across gaps between samples.",
            Query(
                "sort_desc("
                + kilowatt_hours(increase(CLUSTER_ENERGY, HERE, by="category"))
                + " > 0)",
                "{{category}}",
            ),
            unit=ENERGY,
            colours=CATEGORY_COLOURS,
            empty="runs held every GPU that drew any",
            width=8,
            height=6,
        ),
    ),
)


def _of_runs(above: str) -> str:
    own = (OF_TEAM.replace(',team=~"$team"', ""),)
    return team_of(increase(RUN_SECONDS, *own, above, by=RUN))


def _lost_by_runs() -> str:
    own = f'{HERE},run_namespace=~"$namespace"'
    return team_of(appeared("goodput_run_badput_gpu_seconds_total", own, by=RUN))


RUNS_ROW: Final = Row(
    "Which runs lost most?",
    (
        rows(
            "Runs, the most lost GPU time first",
            "Every run of the range; a name leads to its dashboard, which says why and "
            "what a crash would cost now.",
            {"run": "Run", "run_namespace": "Namespace", "cluster": "Cluster"},
            Column("Lost GPU-hours", hours(_lost_by_runs()), HOURS),
            Column("GPU-hours", hours(_of_runs(WALL)), HOURS),
            Column(
                "Goodput",
                share(_of_runs(PRODUCTIVE), _of_runs(WALL)),
                RATIO,
                HIGH_IS_GOOD,
            ),
            Column(
                "GPUs",
                team_of(f"max by ({RUN}) (goodput_run_asked_devices{{{HERE}}})"),
            ),
            Column(
                "Interruptions",
                team_of(
                    increase("goodput_run_interruptions_total", HERE, by=RUN),
                ),
                EVENTS,
            ),
            links={"Run": TO_RUN},
            first="Lost GPU-hours",
            height=10,
        ),
    ),
)

FLEET: Final = Board(
    uid="goodput-fleet",
    title="Goodput / Fleet",
    text="What fraction of the GPU time was training, and what took the rest.",
    choices=(CLUSTER, NAMESPACE, TEAM),
    inputs=(("gpu_hour_price", "Price of a GPU-hour", "2"),),
    rows=(FRACTION, REST, RUNS_ROW, TEAMS_ROW, QUEUE, COST, ENERGY_ROW),
    notes=(
        Note(
            "Restarts of many runs",
            f"sum by (cluster) (increase(goodput_run_restarts_total{{{HERE}}}"
            "[$__rate_interval])) > 2.5",
            "several runs restarted",
        ),
    ),
)
