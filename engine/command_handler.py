"""What each command of the control socket does to a running engine."""

from __future__ import annotations

from engine.control import Command, Handle, Reply
from engine.loop import Engine
from engine.review import Refused
from state.errors import StoreError


def handler(engine: Engine) -> Handle:
    """Answers commands with what the engine does; a command that fails is refused."""

    async def handle(command: Command) -> Reply:
        try:
            return await _obey(engine, command)
        except (Refused, StoreError) as error:
            return Reply(ok=False, error=str(error).rstrip("."), state=engine.state)

    return handle


async def _obey(engine: Engine, command: Command) -> Reply:
    if command.command == "pause":
        await engine.pause()
    elif command.command == "resume":
        await engine.resume()
    elif command.command == "stop":
        engine.stop("stopped by a person", after_current=command.after_current)
    elif command.command in ("supervise", "unsupervise"):
        await engine.supervise(command.command == "supervise")
    elif command.command != "ping":
        return await _review(engine, command)
    return Reply(ok=True, state=engine.state)


async def _review(engine: Engine, command: Command) -> Reply:
    if command.experiment_id is None:
        return Reply(ok=False, error=f"{command.command} needs the number of an experiment")
    if command.command == "approve":
        await engine.approve(command.experiment_id, command.note)
    elif command.command == "veto":
        await engine.veto(command.experiment_id, command.note)
    else:
        await engine.amend(command.experiment_id, command.source)
    return Reply(ok=True, state=engine.state)
