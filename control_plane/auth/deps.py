"""What routes ask for: the transaction of this request, and the parts that live as long as the process."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.settings import Settings


async def open_db(request: Request) -> AsyncIterator[Db]:
    """One request, one transaction, committed before the answer is sent."""
    async with request.app.state.database.tenant() as db:
        yield db


def find_clock(request: Request) -> Clock:
    """The process's clock."""
    clock: Clock = request.app.state.clock
    return clock


def find_settings(request: Request) -> Settings:
    """The process's settings."""
    settings: Settings = request.app.state.settings
    return settings


DbDep = Annotated[Db, Depends(open_db, scope="function")]
ClockDep = Annotated[Clock, Depends(find_clock)]
SettingsDep = Annotated[Settings, Depends(find_settings)]
