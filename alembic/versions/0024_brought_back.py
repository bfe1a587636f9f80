"""brought back: jobs that were lost, after which another one comes; bots take no worker's places"""

import sqlalchemy as sa

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

EVERY_JOB = "from session_job where ended_at is null)"
NO_BOTS = "from session_job where ended_at is null and not starts_with(session_job.identity, 'bot-'))"


def _admit(before: str, after: str) -> None:
    """Have `admit` count other jobs as taking a worker's places."""
    quoted = [part.replace("'", "''") for part in (before, after)]
    op.execute(f"""
        do $body$
        declare source text;
        begin
            for source in select pg_get_functiondef(oid) from pg_proc where proname = 'admit'
                and position('{quoted[0]}' in prosrc) > 0
            loop
                execute replace(source, '{quoted[0]}', '{quoted[1]}');
            end loop;
        end $body$
    """)  # noqa: S608 - two constants of this file


def upgrade() -> None:
    op.add_column("session_job", sa.Column("lost_at", sa.DateTime(timezone=True)))
    _admit(EVERY_JOB, NO_BOTS)


def downgrade() -> None:
    _admit(NO_BOTS, EVERY_JOB)
    op.drop_column("session_job", "lost_at")
