"""What edits leave alone, so that scores stay comparable; and what a person may still ask for."""

from __future__ import annotations

import pytest

from policy.knobs import ROLES
from target.comparability import by_name
from target.sites import find_sites


def ids(source: str) -> list[str]:
    return [site.id for site in find_sites(source)]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "SEED",
            "--seed",
            "random_state",
            "EVAL_TOKENS",
            "eval_interval",
            "FINAL_EVAL_BATCH_SIZE",
        ),
        *(
            "val_fraction",
            "VALIDATION_ROWS",
            "test_size",
            "train_split",
            "TIME_BUDGET",
            "max_seconds",
        ),
        *("token_budget", "MAX_STEPS", "max_iters", "num_train_epochs", "EPOCHS", "total_tokens"),
        *("--max-steps", "maxIters", "log_interval", "LOG_EVERY", "wandb_log", "use_wandb"),
        *(
            "checkpoint_interval",
            "SAVE_EVERY",
            "verbose",
            "data_dir",
            "--out-dir",
            "tokenizer_path",
        ),
        *(
            "run_name",
            "dataset",
            "base_url",
            "num_workers",
            "backend",
            "device",
            "n_gpu",
            "compile",
        ),
        *("VOCAB_SIZE", "num_classes", "in_channels", "train_samples", "H100_PEAK_FLOPS", "pad_id"),
    ],
)
def test_names_that_are_left_alone(name: str) -> None:
    assert by_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("TOTAL_BATCH_SIZE", "DEVICE_BATCH_SIZE", "ROWS_ON_A_DEVICE", "LOGIT_CAP", "log_scale"),
        *("warmup_iters", "lr_decay_iters", "decay_steps", "NEWTON_SCHULZ_STEPS", "BATCH_TOKENS"),
        *("gradient_accumulation_steps", "value_embedding", "lora_rank", "WINDOW_PATTERN", "DTYPE"),
        *(
            "TOKENS",
            "evolution_rate",
            "timescale",
            "latest_weight",
            "steps_between_resets",
            "N_LAYER",
        ),
    ],
)
def test_names_that_may_change(name: str) -> None:
    assert by_name(name) is None


def test_what_a_policy_knows_as_a_knob_may_change() -> None:
    left_alone = {name for role in ROLES for name in role.names if by_name(name)}
    assert left_alone == {"EVAL_EVERY", "USE_COMPILE"}


ENDS = "def build_model(vocab_size, seq_len): ...\ndef train(model, run): ...\n"


def test_in_a_sealed_script_the_harness_sees_to_that() -> None:
    assert ids("EVAL_EVERY = 10\nEPOCHS = 3\nLR = 0.1\n") == ["LR"]
    assert ids("EVAL_EVERY = 10\nEPOCHS = 3\nLR = 0.1\n" + ENDS) == ["EVAL_EVERY", "EPOCHS", "LR"]


def test_a_hint_makes_a_site_of_it() -> None:
    assert ids("EPOCHS = 3  # arl: range 1..9\n") == ["EPOCHS"]
    assert ids("VOCAB_SIZE = 64  # arl: choices 64, 128\n") == ["VOCAB_SIZE"]
    assert ids("SEED = 3  # arl: range 1..9\n") == []


LENGTH = "SEQ_LEN = 128\nLR = 0.1\n"


@pytest.mark.parametrize(
    "use",
    [
        "def evaluate(model):\n    return model(SEQ_LEN)\n",
        "def get_batch():\n    return SEQ_LEN\ndef estimate_loss():\n    return get_batch()\n",
        "score = evaluate_bpb(model, SEQ_LEN)\n",
        "class T:\n    def validate(self):\n        return SEQ_LEN\n",
    ],
)
def test_a_length_that_the_evaluation_uses_is_left_alone(use: str) -> None:
    assert ids(LENGTH + use) == ["LR"]


def test_a_length_that_only_training_uses_may_change() -> None:
    assert ids(LENGTH + "def step():\n    return SEQ_LEN\nscore = evaluate(model, LR)\n") == [
        "SEQ_LEN",
        "LR",
    ]


def test_a_batch_size_may_change_though_the_evaluation_is_given_it() -> None:
    assert ids("BATCH_SIZE = 8\nscore = evaluate(model, BATCH_SIZE)\n") == ["BATCH_SIZE"]


def test_lengths_of_arguments_and_settings_are_found_in_the_evaluation() -> None:
    source = 'p.add_argument("--block-size", default=8)\ndef evaluate(args):\n    args.block_size\n'
    assert ids(source) == []
    source = "@dataclass\nclass C:\n    block_size: int = 8\ndef evaluate(c):\n    c.block_size\n"
    assert ids(source) == []


@pytest.mark.parametrize("name", ["retrieval", "invalidate", "latest", "interval"])
def test_other_words_do_not_evaluate(name: str) -> None:
    assert ids(f"{LENGTH}def {name}():\n    return SEQ_LEN\n") == ["SEQ_LEN", "LR"]


def test_what_stands_in_an_evaluation_stays() -> None:
    body = "import torch.nn.functional as F\ndef {}(x):\n    return F.relu(x)\n"
    assert ids(body.format("forward")) == ["activation:forward"]
    assert ids(body.format("evaluate")) == []
    assert ids(body.format("evaluate") + ENDS) == ["activation:evaluate"]
