"""The rows of a made-up study itself and of its present: devices, panels, what runs."""

from __future__ import annotations

import json
import math
import random
import sqlite3
from collections.abc import Callable

from arl_tui.made_up_evaluation import Forecast
from state.metric import Metric


def write_study(
    db: sqlite3.Connection,
    seed: int,
    supervised: bool,
    running: bool,
    began: str,
    metric: Metric,
) -> None:
    """Write the row of the study and that of its epoch."""
    kind = "command" if metric.self_reported else "sealed"
    settings = json.dumps({"limits": {"max_hours": 10.0}, "budget": {"seconds": 300.0}})
    db.execute(
        "INSERT INTO study (id, name, created_at, seed, target_name, target_kind, metric, "
        "direction, policy, settings, state, supervised) VALUES "
        "('made-up', 'overnight', ?, ?, 'train.py', ?, ?, ?, 'ppo', ?, ?, ?)",
        (
            began,
            seed,
            kind,
            metric.name,
            metric.direction,
            settings,
            "running" if running else "finished",
            int(supervised),
        ),
    )
    environment = json.dumps(ENVIRONMENTS[kind])
    db.execute(
        "INSERT INTO epochs (started_at, environment_digest, environment, budget, clock, "
        "device_model, torch_version) VALUES (?, ?, ?, 300, 'wall', 'made-up GPU', '2.13.0')",
        (began, "e" * 64, environment),
    )


def write_live(
    db: sqlite3.Connection,
    experiment: int,
    trains: bool,
    forecast: Forecast,
    at: Callable[[float], str],
) -> None:
    """Write what a running experiment does: it trains, or else it is scored."""
    until = 0.62 if trains else 1.0
    db.execute("INSERT INTO curves VALUES (?, 1, ?)", (experiment, curve(experiment, until)))
    phase, since = ("training", 0.05) if trains else ("scoring", 0.96)
    db.execute(
        "INSERT INTO live VALUES (?, ?, ?, ?, ?, 4.31, 3.2, ?, ?, ?, ?)",
        (experiment, phase, at(experiment + since), until, round(952 * until), *forecast),
    )


def write_present(
    db: sqlite3.Connection, experiments: int, selfeval: object, at: Callable[[float], str]
) -> None:
    """Write the devices' samples and the panels; `at` tells times."""
    dice = random.Random(experiments)
    for number in range(120):
        busy = 0.0 if number % 40 < 3 else 0.94 + 0.05 * dice.random()
        db.execute(
            "INSERT INTO device_samples (at, device, utilisation, memory_mb, memory_total_mb, "
            "power_w, temperature_c) VALUES (?, 'cuda:0', ?, ?, 81559, ?, ?)",
            (at(experiments - 1 + number / 120), busy, 10_500, 90 + 560 * busy, 38 + 25 * busy),
        )
    for name, data in (*PANELS.items(), ("selfeval", selfeval)):
        db.execute("INSERT INTO panels VALUES (?, ?, ?)", (name, at(experiments), json.dumps(data)))


LOG = """\
step 0 loss 7.624
step 40 loss 5.310
\x1b[31mwarning\x1b[0m: lr_scale is 0.0 at the end
step 90 loss 4.020
"""
ENVIRONMENTS: dict[str, object] = {
    "sealed": {"corpus": "made up", "unigram_bpb": 3.74, "sandbox": ["bubblewrap"]},
    "command": {"command": "python train.py", "frozen": ["data.py"], "sandbox": ["bubblewrap"]},
}
PANELS: dict[str, object] = {
    "policy": {
        "name": "ppo",
        "metrics": {
            "entropy": 5.21,
            "approx_kl": 0.0043,
            "clipfrac": 0.06,
            "explained_variance": 0.41,
        },
        "value": 0.31,
        "updates": 12,
        "sites": [
            ["MATRIX_LR", 0.24],
            ["BATCH_TOKENS", 0.17],
            ["WARMDOWN", 0.12],
            ["DEPTH", 0.08],
            ["EMBED_LR", 0.06],
        ],
    },
    "oracle": {
        "readings": [
            {
                "name": "hours",
                "used": 0.42,
                "stop": False,
                "sentence": "the study has run for 4.20 of 10 hours",
            },
            {
                "name": "disk",
                "used": 0.01,
                "stop": False,
                "sentence": "81.2 GB of disk are free, 0.5 GB must stay free",
            },
        ]
    },
    "slots": {
        "slots": [
            {
                "slot": 0,
                "device": "cuda:0",
                "seconds": {
                    "training": 13890.0,
                    "starting": 610.0,
                    "scoring": 290.0,
                    "waiting": 40.0,
                },
            }
        ]
    },
}


def curve(number: int, until: float) -> str:
    """A loss curve as JSON, up to a share of the budget."""
    dice = random.Random(number)
    points = []
    for step in range(0, int(960 * until), 16):
        progress = step / 960
        loss = 3.9 + 3.7 * math.exp(-9 * progress) - 0.25 * progress + 0.02 * dice.gauss(0, 1)
        points.append([round(progress, 4), step, round(loss, 4)])
    return json.dumps(points)
