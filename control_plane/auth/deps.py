"""What routes ask for: the transaction of this request, and the parts that live as long as the process."""

from typing import Annotated

from fastapi import Depends, Request

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.settings import Settings


async def find_db(request: Request) -> Db:
    """This request's transaction, begun now and committed before the answer is sent."""
    db: Db = await request.state.transaction.begin()
    return db


async def find_clock(request: Request) -> Clock:
    """The process's clock."""
    clock: Clock = request.app.state.clock
    return clock


async def find_settings(request: Request) -> Settings:
    """The process's settings."""
    settings: Settings = request.app.state.settings
    return settings


DbDep = Annotated[Db, Depends(find_db)]
ClockDep = Annotated[Clock, Depends(find_clock)]
SettingsDep = Annotated[Settings, Depends(find_settings)]
