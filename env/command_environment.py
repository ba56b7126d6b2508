"""The environment variables of a command target: the user's own, without what must stay secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from env.sandbox import visible_devices

_PASSED = frozenset(
    {
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "USER",
        "LOGNAME",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    }
)
_PASSED_PREFIXES = (
    "LC_",
    "CONDA_",
    "MAMBA_",
    "PYENV_",
    "UV_",
    "HF_",
    "CUDA_",
    "NVIDIA_",
    "NCCL_",
    "TORCH",
    "PYTORCH_",
    "TRITON_",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_SECRET = re.compile("TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/@\s]+@")


def command_environment(
    device: str,
    threads: int,
    *,
    home: str,
    scratch: str,
    uuid: str,
    set_: Mapping[str, str],
    passed: Sequence[str],
) -> dict[str, str]:
    """The environment variables of a command on `device` ("cpu", "cuda:0").

    `threads` is how many it shall use of the processors; with 0 the user's own variables say that.

    What looks like a secret is passed on only when it is named in `passed`; `set_` wins over all.
    `scratch` is the folder for temporary files, as the command sees it: inside bubblewrap
    `sandbox.SCRATCH`. `uuid` names the slot's GPU, where it is known.
    """
    own: Mapping[str, str] = os.environ
    return {
        **{name: value for name, value in own.items() if _harmless(name, value)},
        **{name: own[name] for name in passed if name in own},
        "HOME": home,
        "TMPDIR": scratch,
        "PYTHONUNBUFFERED": "1",  # or its lines would come late, and the last ones never
        **(dict.fromkeys(_THREADS, str(threads)) if threads else {}),
        "CUDA_VISIBLE_DEVICES": uuid or visible_devices(device),
        **set_,
    }


def _harmless(name: str, value: str) -> bool:
    wanted = name in (*_PASSED, *_THREADS) or name.startswith(_PASSED_PREFIXES)
    return wanted and not _SECRET.search(name) and not _ADDRESS_WITH_PASSWORD.search(value)
