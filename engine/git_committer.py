"""Keeps the branch of kept edits up to date while the study runs (`[git] commits`).

It listens to what the engine announces, and works in a thread beside the engine: it can neither
block nor end it. What cannot be committed now is committed after the next kept edit, or by
`arl-tui export git`.
"""

from __future__ import annotations

import anyio
import anyio.abc
from anyio import to_thread

from engine.events import Announce, EngineEvent
from engine.git_branch import BranchUpdate, update_branch
from engine.git_repository import DEADLINE, GitError
from state.errors import StoreError
from state.read import Reader
from state.store import Store
from target.source import SourceError

# At `opened` for what was kept before commits were asked for, and to say early what will not work.
_OCCASIONS = ("opened", "measured", "kept")


class GitCommitter:
    """Watches what the engine announces, passes it on, and commits what was kept."""

    def __init__(
        self,
        enabled: bool,
        store: Store,
        tasks: anyio.abc.TaskGroup,
        announce: Announce,
        deadline: float = DEADLINE,
    ) -> None:
        """`enabled` is `[git] commits`. `tasks` runs git beside the engine, and waits for it."""
        self._enabled = enabled
        self._store = store
        self._tasks = tasks
        self._pass_on = announce
        self._deadline = deadline
        self._wanted = False
        self.busy = False
        """Whether git works, or is about to."""
        self._told: set[str] = set()

    def announce(self, event: EngineEvent) -> None:
        """What the engine announces; returns at once."""
        self._pass_on(event)
        if not self._enabled or event.type not in _OCCASIONS:
            return
        self._wanted = True
        if not self.busy:
            self.busy = True
            self._tasks.start_soon(self._commit, name="git")

    async def _commit(self) -> None:
        with anyio.CancelScope(shield=True):  # every command of git has its own deadline
            while self._wanted:
                self._wanted = False
                try:
                    done = await to_thread.run_sync(self._update)
                except (GitError, StoreError, SourceError) as error:
                    await self._warn(str(error))
                except Exception as error:  # whatever it is, it is not worth a night's run
                    await self._warn(f"it failed ({type(error).__name__})")
                else:
                    self._tell(done)
            self.busy = False

    def _update(self) -> BranchUpdate | None:
        with Reader(self._store.folder) as reader:
            return update_branch(reader, deadline=self._deadline)

    def _tell(self, done: BranchUpdate | None) -> None:
        if done is not None and done.made:
            data = {"branch": done.branch, "commit": done.commit, "id": done.experiment}
            self._pass_on(EngineEvent("committed", done.sentence, data))

    async def _warn(self, problem: str) -> None:
        """Record why git could not be used; each reason once."""
        if problem in self._told:
            return
        self._told.add(problem)
        sentence = f"No git commit was made: {problem.rstrip('.')}."
        self._pass_on(EngineEvent("warning", sentence))
        try:
            await self._store.event("warning", None, {"sentence": sentence})
        except StoreError:
            pass
