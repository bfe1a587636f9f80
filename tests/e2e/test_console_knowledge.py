"""Filling, trying and mending a knowledge base by the pages of the console in Chromium."""

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.pages import DESKTOP, PHONE, in_browser
from tests.support.platform import Platform, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(280)]

UNANSWERED = text("""
    insert into knowledge_unanswered (project_id, base_id, question, times, score, session_id)
    values (:project, :base, :question, :times, 0.1, 42)
""")


async def leave_unanswered(platform: Platform, tenant: Tenant, base_id: int) -> None:
    """Questions that callers have asked in vain."""
    async with platform.database.platform() as db:
        for question, times in (("Is there a sauna?", 1), ("Do you repair electric bicycles?", 7)):
            values = {"project": tenant.project.id, "base": base_id, "question": question, "times": times}
            await db.execute(UNANSWERED, values)


@pytest.mark.parametrize("look", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_base_is_filled_tried_evaluated_and_mended(
    platform: Platform, tenant: Tenant, tmp_path: Path, look: tuple[str, ...]
) -> None:
    options = ("--url", platform.url, "--key", tenant.key, *look)

    seen = await in_browser("knowledge.mjs", tmp_path / "seen.json", *options)

    assert seen["refused"] == "must be smaller than chunk_size"
    assert seen["problems"]["pdf"].startswith("What is inside does not fit")
    assert seen["problems"]["xlsx"].startswith("Files of this kind are not read")
    assert seen["over"], "where files can be dropped did not show"
    assert any(0 < share < 1 for share in seen["shares"]), "nobody saw how far the upload was"
    assert sorted(seen["documents"]) == ["hours.md", "manual.txt", "prices.csv"]
    assert seen["passages"] == 5
    assert "free for two hours" in seen["whole"]
    assert seen["in_vain"].startswith("Not answered: the best score")
    assert "three euros a day" in seen["first"]
    assert seen["bars"] == ["Meaning", "Words", "Coverage", "Both", "Confidence"]
    assert all(abs(min(1, said) - drawn) < 0.02 for said, drawn in zip(seen["figures"], seen["widths"], strict=True))
    assert seen["evaluated"] == ["50 %", "0.50"]
    assert seen["places"] == ["Not found", "First"], "a passage that is switched off was found"
    assert seen["not_indexed"], "nothing said why the index stayed"
    assert seen["name"] == "The workshop"
    assert seen["wider"] == []
    assert seen["faults"] == []

    await leave_unanswered(platform, tenant, seen["id"])
    after = await in_browser("knowledge.mjs", tmp_path / "after.json", *options, "--mend", str(seen["id"]))

    assert after["asked"] == ["Do you repair electric bicycles?", "Is there a sauna?"]
    assert "Do you repair electric bicycles" in after["offered"], "its documents are not offered"
    assert after["places"] == ["First"]
    assert (after["wider"], after["faults"]) == ([], [])
    assert (await tenant.http.get("/knowledge-bases")).json()["knowledge_bases"] == []
