"""What the links of meetings and scenarios lead to, for people without a key."""

from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.errors import Forbidden, NotFound
from control_plane.meetings.attending import title_of
from control_plane.meetings.models import EndUser, Meeting, Membership, Scenario


async def find_meeting(db: Db, code: str) -> tuple[Meeting, str]:
    """The meeting of a code, and what it is called. Raises `NotFound`."""
    meeting = (await db.exec(select(Meeting).where(Meeting.code == code))).one_or_none()
    if meeting is None:
        raise NotFound("There is no such meeting")
    return meeting, await title_of(db, meeting)


async def find_pair(db: Db, scenario_id: int, end_user_id: int, membership_id: int) -> tuple[Scenario, EndUser, Caller]:
    """Scenario and end user of a membership, and their project as whoever calls. Raises `Forbidden`."""
    query = (
        select(Scenario, EndUser, Project)
        .join(Membership, col(Membership.scenario_id) == Scenario.id)
        .join(EndUser, col(EndUser.id) == Membership.end_user_id)
        .join(Project, col(Project.id) == Membership.project_id)
        .where(
            Membership.id == membership_id,
            Membership.end_user_id == end_user_id,
            Membership.scenario_id == scenario_id,
            col(Scenario.deleted_at).is_(None),
        )
    )
    found = (await db.exec(query)).one_or_none()
    if found is None:
        raise Forbidden("This link does not fit together")
    scenario, end_user, project = found
    caller = Caller(project.id, project.slug, project.account_id, plan="", key_id="")
    return scenario, end_user, caller
