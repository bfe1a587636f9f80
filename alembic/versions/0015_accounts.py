"""accounts: console sessions, ledger, support keys"""

import sqlalchemy as sa

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = ("console_session", "ledger_entry", "support_key")


def upgrade() -> None:
    op.create_table(
        "console_session",
        *_own(),
        sa.Column("session_id", sa.String(), nullable=False, unique=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        _moment("last_used_at", nullable=False),
        _moment("expires_at", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "ledger_entry",
        *_own(),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_usd", sa.Numeric(20, 2), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        _moment("at", nullable=False),
    )
    op.create_table(
        "support_key",
        *_own(),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        _moment("expires_at", nullable=False),
        _moment("used_at", nullable=True),
        _moment("created_at", nullable=False),
    )
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_account_id"), table, ["account_id"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _own() -> tuple[sa.Column[int], ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("account_id", sa.BigInteger(), sa.ForeignKey("account.id"), nullable=False),
    )


def _moment(name: str, *, nullable: bool) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
